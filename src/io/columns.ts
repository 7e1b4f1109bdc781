import { LlmkitError } from '../core/errors.ts';

/** @throws LlmkitError('data') when a table names a column twice: one of them would be lost without a word. */
export function refuseDuplicates(names: readonly string[], file: string): void {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return;
  throw new LlmkitError('data', `${file} has two columns named ${twice}`, {
    where: file,
    expected: 'every column once',
    got: `columns ${names.join(', ')}`,
  });
}
