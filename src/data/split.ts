import { LlmkitError } from '../core/errors.ts';
import { FATE } from './dedup.ts';
import type { HashIndex } from './hash-index.ts';

/**
 * Marks the rows of the validation split: those with the smallest hashes, so the choice depends on the seed and on the
 * rows, not on their order. Equal rows stay together: none is in both splits.
 *
 * @param validation a fraction below 1 of the rows that are left (at least one row), or a number of rows.
 * @returns rows marked; with duplicates kept it may pass the goal by the size of a group.
 * @throws LlmkitError('config') when nothing would be left for training.
 */
export function markValidation(index: HashIndex, fates: Uint8Array, validation: number, where: string): number {
  if (validation === 0) return 0;
  let left = 0;
  for (const fate of fates) if (fate !== FATE.duplicate) left++;
  const goal = validation < 1 ? Math.max(1, Math.round(validation * left)) : validation;
  let marked = 0;
  for (const { rows } of index.groups()) {
    if (marked >= goal) break;
    for (const row of rows) {
      if (fates[row] === FATE.duplicate) continue;
      fates[row] = FATE.validation;
      marked++;
    }
  }
  if (marked < left) return marked;
  throw new LlmkitError('config', 'the validation split leaves no rows for training', {
    where,
    expected: `fewer than ${left} rows`,
    got: String(validation),
    hint: 'make split.validation smaller, or 0',
  });
}
