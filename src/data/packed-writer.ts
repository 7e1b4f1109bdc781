import type { PrepareConfig } from '../config/index.ts';
import { DatasetWriter, type Features } from '../io/arrow.ts';
import { packBestFit } from './pack.ts';
import { type Encoded, IGNORE } from './types.ts';

/** The columns of prepared/, all [n] but seq_lengths [documents]. */
export const PREPARED_FEATURES = {
  input_ids: 'list<int32>',
  /** The token itself where it is a target, -100 elsewhere; the loss shifts, as in HF. */
  labels: 'list<int32>',
  /** From 0 in every document. */
  position_ids: 'list<int32>',
  /** Lengths of the documents in the row, in order. */
  seq_lengths: 'list<int32>',
} as const satisfies Features;

/** Tokens that are packed together: enough that the last, half-full rows do not matter, few enough to hold. */
const WINDOW_TOKENS = 2 ** 22;

/** Packs examples into rows of at most `maxLength` tokens, a window at a time, and writes them as Arrow. */
export class PackedWriter {
  tokens = 0;
  targets = 0;
  examples = 0;
  readonly #writer: DatasetWriter;
  readonly #maxLength: number;
  readonly #packing: PrepareConfig['packing'];
  #window: Encoded[] = [];
  #windowTokens = 0;

  constructor(dir: string, split: string, maxLength: number, packing: PrepareConfig['packing']) {
    this.#writer = new DatasetWriter(dir, PREPARED_FEATURES, { split });
    this.#maxLength = maxLength;
    this.#packing = packing;
  }

  get rows(): number {
    return this.#writer.numRows;
  }

  add(example: Encoded): void {
    this.examples++;
    if (this.#packing === 'none') {
      this.#writeRow([example]);
      return;
    }
    this.#window.push(example);
    this.#windowTokens += example.inputIds.length;
    if (this.#windowTokens >= WINDOW_TOKENS) this.#pack();
  }

  finish(): void {
    this.#pack();
    this.#writer.finish();
  }

  abort(): void {
    this.#writer.abort();
  }

  #pack(): void {
    const window = this.#window;
    this.#window = [];
    this.#windowTokens = 0;
    const lengths = window.map((example) => example.inputIds.length);
    for (const bin of packBestFit(lengths, this.#maxLength)) this.#writeRow(bin.map((item) => window[item]!));
  }

  #writeRow(examples: Encoded[]): void {
    const seq_lengths = examples.map((example) => example.inputIds.length);
    const length = seq_lengths.reduce((sum, n) => sum + n, 0);
    const input_ids = new Int32Array(length);
    const labels = new Int32Array(length).fill(IGNORE);
    const position_ids = new Int32Array(length);
    let at = 0;
    for (const { inputIds, isTarget } of examples) {
      input_ids.set(inputIds, at);
      for (let i = 0; i < inputIds.length; i++) {
        position_ids[at + i] = i;
        if (isTarget[i] === 0) continue;
        labels[at + i] = inputIds[i]!;
        this.targets++;
      }
      at += inputIds.length;
    }
    this.tokens += length;
    this.#writer.append({ input_ids, labels, position_ids, seq_lengths });
  }
}
