import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LlmkitError } from '../../core/errors.ts';
import type { TfGraph } from '../../graph/tf-graph.ts';
import { encodeSavedModel } from './saved-model.ts';

/**
 * A graph as a SavedModel in a new temporary folder, which the caller removes: the addon reads it from nowhere else.
 * Throws `io` when the folder cannot be made or written.
 */
export function writeGraphFolder(graph: TfGraph): string {
  const bytes = encodeSavedModel(graph);
  let directory: string | undefined;
  try {
    directory = mkdtempSync(join(tmpdir(), 'llmkit-graph-'));
    writeFileSync(join(directory, 'saved_model.pb'), bytes);
    return directory;
  } catch (cause) {
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
    throw new LlmkitError('io', 'a graph cannot be written for TensorFlow', {
      where: directory ?? tmpdir(),
      got: cause instanceof Error ? cause.message : String(cause),
      hint: 'free space in the temporary folder, or set TMPDIR',
      cause,
    });
  }
}
