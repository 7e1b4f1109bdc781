import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { LlmkitError } from '../core/errors.ts';
import { ioError, writeFileAtomic } from '../io/atomic.ts';
import type { PairedFigures, TaskResult } from './metrics.ts';

/** What a later evaluation is compared with: every metric and the figures of its documents. */
export interface Baseline {
  format: 'llmkit-baseline';
  version: 1;
  /** The model it was taken from, for a person. */
  model: string;
  tasks: Record<string, Record<string, { value: number; paired?: PairedFigures }>>;
}

/** The file in an eval folder that serves as a baseline. */
export const BASELINE = 'baseline.json';

export function makeBaseline(model: string, results: readonly TaskResult[]): Baseline {
  const tasks: Baseline['tasks'] = {};
  for (const { task, metrics } of results) {
    tasks[task] = Object.fromEntries(
      metrics.map(({ name, value, paired }) => [name, { value, ...(paired === undefined ? {} : { paired }) }]),
    );
  }
  return { format: 'llmkit-baseline', version: 1, model, tasks };
}

export function writeBaseline(path: string, baseline: Baseline): void {
  writeFileAtomic(path, `${JSON.stringify(baseline)}\n`);
}

/** The file that a path stands for: itself, or the baseline of an eval folder. */
export function baselineFile(path: string): string {
  const isFolder = existsSync(path) ? statSync(path).isDirectory() : !path.endsWith('.json');
  return isFolder ? join(path, BASELINE) : path;
}

/**
 * Reads a baseline: the file, or the one in an eval folder.
 *
 * @throws LlmkitError `io` when there is none, `data` when it is not a baseline.
 */
export function readBaseline(path: string): Baseline {
  const file = baselineFile(path);
  const hint = 'take it of the model to compare with: llmkit eval --model <model> --update-baseline';
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      throw ioError(error, `cannot read the baseline ${file}`, file);
    throw new LlmkitError('io', 'there is no baseline to compare with yet', { where: file, hint, cause: error });
  }
  let json: Partial<Baseline> | null;
  try {
    json = JSON.parse(text) as Partial<Baseline> | null;
  } catch (error) {
    throw new LlmkitError('data', `the baseline is not JSON: ${(error as Error).message}`, {
      where: file,
      hint,
      cause: error,
    });
  }
  if (json?.format !== 'llmkit-baseline' || json.version !== 1 || typeof json.tasks !== 'object') {
    throw new LlmkitError('data', 'the file is not a baseline of llmkit eval', {
      where: file,
      expected: 'format llmkit-baseline, version 1',
      got: `format ${JSON.stringify(json?.format)}, version ${JSON.stringify(json?.version)}`,
      hint,
    });
  }
  return json as Baseline;
}
