import { Random } from '../core/random.ts';
import { openPrepared } from '../data/prepared.ts';
import type { CalibrationRow } from './calibrate.ts';

/**
 * Rows of prepared/ to calibrate on: drawn by the seed without replacement, in the order of the data.
 *
 * @returns the rows, and how many the split has.
 * @throws LlmkitError `data` when prepared/ or the split is not there.
 */
export function calibrationRows(
  prepared: string,
  { samples, max_length: maxLength, split: name }: { samples: number; max_length: number; split: string },
  seed: number,
): { rows: CalibrationRow[]; available: number } {
  const data = openPrepared(prepared);
  try {
    const split = data.split(name);
    const all = Array.from({ length: split.numRows }, (_, i) => i);
    const chosen = new Random(seed).fork('calibration').shuffle(all).slice(0, samples);
    const rows = chosen
      .sort((a, b) => a - b)
      .map((index) => {
        const { inputIds, seqLengths } = split.row(index);
        return { inputIds: inputIds.slice(0, maxLength), seqLengths: seqLengths.slice() };
      });
    return { rows, available: split.numRows };
  } finally {
    data.close();
  }
}
