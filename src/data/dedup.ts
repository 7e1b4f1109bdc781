import type { HashIndex } from './hash-index.ts';

/** What becomes of a row: one byte each. */
export const FATE = { train: 0, validation: 1, duplicate: 2 } as const;

/** A row dropped as a duplicate, and the first of its kind, which stays. */
export interface Duplicate {
  row: number;
  first: number;
}

/** How many duplicates the report shows by name. */
const SHOWN = 20;

/** Marks every row but the first of each group of equal hashes. */
export function markDuplicates(index: HashIndex, fates: Uint8Array): { duplicates: number; shown: Duplicate[] } {
  let duplicates = 0;
  const shown: Duplicate[] = [];
  for (const { rows } of index.groups()) {
    const first = rows[0]!;
    for (const row of rows.slice(1)) {
      fates[row] = FATE.duplicate;
      duplicates++;
      if (shown.length < SHOWN) shown.push({ row, first });
    }
  }
  return { duplicates, shown };
}
