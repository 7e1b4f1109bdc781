import path from 'node:path';
import { LlmkitError, type ErrorDetails } from '../core/errors.ts';
import { formatPath, type KeyPath, type Place } from './tree.ts';

/** A file as a person in `cwd` would write it: relative when it lies below or beside the folder, else absolute. */
export function displayPath(file: string, cwd: string = process.cwd()): string {
  const relative = path.relative(cwd, file);
  return relative === '' ? '.' : relative.startsWith(path.join('..', '..')) ? file : relative;
}

/** `configs/x.yaml:12:5 finetune.lora.r`, or `--set finetune.lora.r=0 finetune.lora.r`. */
export function formatPlace(place: Place, keys: KeyPath = []): string {
  if (place.kind === 'set') return `--set ${place.argument}`;
  const at = `${displayPath(place.file)}:${place.line}:${place.col}`;
  return keys.length === 0 ? at : `${at} ${formatPath(keys)}`;
}

export function configError(message: string, place: Place, keys: KeyPath, details: ErrorDetails = {}): LlmkitError {
  return new LlmkitError('config', message, { where: formatPlace(place, keys), ...details });
}
