import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { LlmkitError } from '../core/errors.ts';
import { type FileRecord, MANIFEST, readManifest } from '../io/manifest.ts';

/**
 * Over another base than it was trained on, an adapter gives a model that nobody has measured. Adapters of other tools,
 * which have no manifest, pass.
 *
 * @param base describes the files of the base; only asked when there is something to compare with, since it reads them all
 * @throws LlmkitError('data') naming the file that differs
 */
export function checkTrainedOn(adapter: string, base: () => readonly FileRecord[]): void {
  if (!existsSync(join(adapter, MANIFEST))) return;
  const isWeights = ({ path }: FileRecord): boolean => /(^|[/\\])model(-[^/\\]*)?\.safetensors$/.test(path);
  const trainedOn = readManifest(adapter).inputs.filter(isWeights);
  if (trainedOn.length === 0) return;
  for (const file of base().filter(isWeights)) {
    if (trainedOn.some(({ sha256 }) => sha256 === file.sha256)) continue;
    throw new LlmkitError('data', 'the adapter was trained on another base', {
      where: file.path,
      expected: `sha256 ${trainedOn.map(({ sha256 }) => sha256.slice(0, 12)).join(', ')} (${trainedOn[0]!.path})`,
      got: `sha256 ${file.sha256.slice(0, 12)}`,
      hint: 'use the base it was trained on, or finetune again on this one',
    });
  }
}
