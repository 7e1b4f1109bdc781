import { DatasetWriter, type Features } from '../../io/arrow.ts';
import { type Encoded, type EncodedPair, IGNORE } from '../types.ts';
import { countTargets } from './encoder.ts';
import type { SplitResult } from './packed-writer.ts';

/** The columns of prepared/ where it holds preference pairs, each [n]; labels as in packed rows. */
export const PAIR_FEATURES = {
  chosen_input_ids: 'list<int32>',
  chosen_labels: 'list<int32>',
  rejected_input_ids: 'list<int32>',
  rejected_labels: 'list<int32>',
} as const satisfies Features;

/** Writes preference pairs as Arrow, one a row. */
export class PairWriter {
  /** `tokens` and `targets` are of both answers. */
  readonly result: SplitResult = { rows: 0, examples: 0, tokens: 0, targets: 0, files: [], fingerprint: '' };
  readonly #writer: DatasetWriter;

  constructor(dir: string, split: string) {
    this.#writer = new DatasetWriter(dir, PAIR_FEATURES, { split });
  }

  add({ chosen, rejected }: EncodedPair): void {
    this.result.examples++;
    for (const answer of [chosen, rejected]) {
      this.result.tokens += answer.inputIds.length;
      this.result.targets += countTargets(answer);
    }
    this.#writer.append({
      chosen_input_ids: chosen.inputIds,
      chosen_labels: labelsOf(chosen),
      rejected_input_ids: rejected.inputIds,
      rejected_labels: labelsOf(rejected),
    });
  }

  finish(): void {
    const { numRows, files, fingerprint } = this.#writer.finish();
    Object.assign(this.result, { rows: numRows, files, fingerprint });
  }

  abort(): void {
    this.#writer.abort();
  }
}

function labelsOf({ inputIds, isTarget }: Encoded): Int32Array {
  return inputIds.map((id, i) => (isTarget[i] === 1 ? id : IGNORE));
}
