import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { sep } from 'node:path';
import { LlmkitError } from '../core/errors.ts';
import { MANIFEST } from './manifest.ts';

/** What a folder holds that a command may replace: a checkpoint, or anything a command finished. */
const REPLACEABLE = ['model.safetensors', 'model.safetensors.index.json', MANIFEST];

/**
 * `withAtomicDir` replaces a folder whole: one that the user names must not hold an input, or anything but an earlier
 * output. Call it before any work.
 *
 * @param inputs folders that the command reads
 * @throws LlmkitError('usage') saying what would be lost
 */
export function checkReplaceable(out: string, inputs: readonly string[]): void {
  if (!existsSync(out)) return;
  const final = realpathSync(out);
  for (const input of inputs) {
    if (!existsSync(input) || !`${realpathSync(input)}${sep}`.startsWith(`${final}${sep}`)) continue;
    throw new LlmkitError('usage', 'the output would replace its own input', {
      where: out,
      expected: `a folder that does not hold ${input}`,
    });
  }
  const entries = readdirSync(final);
  if (entries.length === 0 || REPLACEABLE.some((name) => entries.includes(name))) return;
  throw new LlmkitError('usage', 'the folder for the output holds something else, which would be lost', {
    where: out,
    got: entries.slice(0, 5).join(', '),
    hint: 'name a new folder, or remove this one',
  });
}
