import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { sep } from 'node:path';
import { LlmkitError } from '../core/errors.ts';
import { MANIFEST, readManifest } from './manifest.ts';

/** A checkpoint may be replaced whoever wrote it. */
const WEIGHTS = ['model.safetensors', 'model.safetensors.index.json'];

/**
 * `withAtomicDir` replaces a folder whole: one that the user names must not hold an input, or anything but an earlier
 * output. Call it before any work.
 *
 * @param inputs folders and files that the command reads
 * @param command when given, only what this command left may be replaced
 * @throws LlmkitError('usage') saying what would be lost
 */
export function checkReplaceable(out: string, inputs: readonly string[], command?: string): void {
  if (!existsSync(out)) return;
  const final = realpathSync(out);
  for (const input of inputs) {
    if (!existsSync(input) || !`${realpathSync(input)}${sep}`.startsWith(`${final}${sep}`)) continue;
    throw new LlmkitError('usage', 'the output would replace its own input', {
      where: out,
      expected: `a folder that does not hold ${input}`,
      hint: 'let the output go elsewhere',
    });
  }
  const entries = readdirSync(final);
  const maker = entries.includes(MANIFEST) ? makerOf(final) : undefined;
  const finished = maker !== undefined || WEIGHTS.some((name) => entries.includes(name));
  const replaceable = command === undefined ? finished : maker === command;
  if (entries.length === 0 || replaceable) return;
  throw new LlmkitError('usage', 'the folder for the output holds something else, which would be lost', {
    where: out,
    got: maker === undefined ? entries.slice(0, 5).join(', ') : `the output of llmkit ${maker}`,
    hint: 'name a new folder, or remove this one',
  });
}

/** The command that left a folder; undefined where manifest.json is something else's. */
function makerOf(folder: string): string | undefined {
  try {
    return readManifest(folder).command;
  } catch (error) {
    if (error instanceof LlmkitError && error.kind === 'data') return undefined;
    throw error;
  }
}
