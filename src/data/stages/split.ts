import { LlmkitError } from '../../core/errors.ts';
import { FATE } from './fates.ts';
import { HASH_BYTES, type Part, readHashes } from './parts.ts';
import type { Work } from './work.ts';

const BINS = 2 ** 16;

/**
 * Marks the rows of the validation split: those with the smallest hashes, so the choice depends on the seed and on the
 * rows, not on their order. Equal rows stay together: none is in both splits.
 *
 * @param fates of all rows; only those that are not duplicates are looked at.
 * @param validation a fraction below 1 of the rows that are left (at least one row), or a number of rows.
 * @returns rows marked; with duplicates kept it may pass the goal by the size of a group.
 * @throws LlmkitError('config') when nothing would be left for training.
 */
export function splitRows(
  work: Work,
  parts: readonly Part[],
  fates: Uint8Array,
  validation: number,
  where: string,
): number {
  if (validation === 0) return 0;
  const bins = new Float64Array(BINS);
  let left = 0;
  eachLeft(work, parts, fates, (_row, hash, at) => {
    bins[hash[at]! * 256 + hash[at + 1]!]!++;
    left++;
  });
  const goal = validation < 1 ? Math.max(1, Math.round(validation * left)) : validation;
  let last = 0;
  for (let sum = bins[0]!; sum < goal && last + 1 < BINS; sum += bins[++last]!);
  const candidates: { row: number; hash: string }[] = [];
  eachLeft(work, parts, fates, (row, hash, at) => {
    if (hash[at]! * 256 + hash[at + 1]! > last) return;
    candidates.push({ row, hash: Buffer.from(hash.buffer, hash.byteOffset + at, HASH_BYTES).toString('hex') });
  });
  candidates.sort((a, b) => (a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : a.row - b.row));
  let marked = 0;
  for (const [i, { row, hash }] of candidates.entries()) {
    if (marked >= goal && hash !== candidates[i - 1]!.hash) break;
    fates[row] = FATE.validation;
    marked++;
  }
  if (marked < left) return marked;
  throw new LlmkitError('config', 'the validation split leaves no rows for training', {
    where,
    expected: `fewer than ${left} rows`,
    got: String(validation),
    hint: 'make split.validation smaller, or 0',
  });
}

function eachLeft(
  work: Work,
  parts: readonly Part[],
  fates: Uint8Array,
  visit: (row: number, hash: Uint8Array, at: number) => void,
): void {
  let base = 0;
  for (const part of parts) {
    const hashes = readHashes(work, part);
    for (let row = 0; row < part.rows; row++) {
      if (fates[base + row] === FATE.train) visit(base + row, hashes, row * HASH_BYTES);
    }
    base += part.rows;
  }
}
