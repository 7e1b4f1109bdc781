import type { PrepareConfig } from '../../config/index.ts';
import { DatasetWriter, type Features } from '../../io/arrow.ts';
import { packBestFit } from './pack.ts';
import { type Encoded, IGNORE } from '../types.ts';

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

/** What a split's writer wrote. */
export interface SplitResult {
  rows: number;
  examples: number;
  tokens: number;
  targets: number;
  files: string[];
  fingerprint: string;
}

/** Packs examples into rows of at most `maxLength` tokens, a window at a time, and writes them as Arrow. */
export class PackedWriter {
  /** Of `files` and `fingerprint` nothing is known before the end. */
  readonly result: SplitResult = { rows: 0, examples: 0, tokens: 0, targets: 0, files: [], fingerprint: '' };
  readonly #writer: DatasetWriter;
  readonly #maxLength: number;
  readonly #packing: PrepareConfig['packing'];
  #window: Encoded[] = [];
  #windowTokens = 0;
  #row: RowBuffer;

  constructor(dir: string, split: string, maxLength: number, packing: PrepareConfig['packing']) {
    this.#writer = new DatasetWriter(dir, PREPARED_FEATURES, { split });
    this.#maxLength = maxLength;
    this.#packing = packing;
    this.#row = new RowBuffer(maxLength);
  }

  add(example: Encoded): void {
    this.result.examples++;
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
    const { numRows, files, fingerprint } = this.#writer.finish();
    Object.assign(this.result, { rows: numRows, files, fingerprint });
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

  #writeRow(examples: readonly Encoded[]): void {
    const seq_lengths = examples.map((example) => example.inputIds.length);
    const length = seq_lengths.reduce((sum, n) => sum + n, 0);
    if (length > this.#row.length) this.#row = new RowBuffer(length);
    const { inputIds, labels, positions, ramp } = this.#row;
    labels.fill(IGNORE, 0, length);
    let at = 0;
    for (const example of examples) {
      const n = example.inputIds.length;
      inputIds.set(example.inputIds, at);
      positions.set(ramp.subarray(0, n), at);
      this.result.targets += copyTargets(example, labels, at);
      at += n;
    }
    this.result.tokens += length;
    // The dataset writer takes copies.
    this.#writer.append({
      input_ids: inputIds.subarray(0, length),
      labels: labels.subarray(0, length),
      position_ids: positions.subarray(0, length),
      seq_lengths,
    });
  }
}

/** One row while it is put together. */
class RowBuffer {
  readonly length: number;
  readonly inputIds: Int32Array;
  readonly labels: Int32Array;
  readonly positions: Int32Array;
  /** 0, 1, 2, ... */
  readonly ramp: Int32Array;

  constructor(length: number) {
    this.length = length;
    this.inputIds = new Int32Array(length);
    this.labels = new Int32Array(length);
    this.positions = new Int32Array(length);
    this.ramp = Int32Array.from({ length }, (_, i) => i);
  }
}

/** Copies the targets run by run, of which an example has few. @returns how many there are. */
function copyTargets({ inputIds, isTarget }: Encoded, labels: Int32Array, at: number): number {
  let targets = 0;
  for (let start = isTarget.indexOf(1); start >= 0;) {
    const next = isTarget.indexOf(0, start);
    const end = next < 0 ? isTarget.length : next;
    labels.set(inputIds.subarray(start, end), at + start);
    targets += end - start;
    start = isTarget.indexOf(1, end);
  }
  return targets;
}
