import { Random } from '../core/random.ts';
import { documentStarts } from '../decoder/packed-attention.ts';

/** One row of prepared/: tokens, labels at their own tokens (-100: no loss), and the lengths of the documents in it. */
export interface TrainingRow {
  inputIds: ArrayLike<number>;
  labels: ArrayLike<number>;
  seqLengths: ArrayLike<number>;
}

export interface RowSource {
  numRows: number;
  row(index: number): TrainingRow;
}

/** A micro-batch as the training graph is fed; its sizes are those of `shape`. */
export interface MicroBatch {
  shape: BatchShape;
  inputIds: Int32Array;
  documentStarts: Int32Array;
  targetPositions: Int32Array;
  targetIds: Int32Array;
  targetWeights: Float32Array;
  /** Tokens of the longest row. */
  longest: number;
  /** Tokens that are not padding. */
  tokens: number;
  /** Positions that carry a loss. */
  targets: number;
}

/** The static sizes that a graph is built for. Each is rounded up, so that few graphs serve all batches. */
export interface BatchShape {
  batch: number;
  length: number;
  band: number;
  targets: number;
}

/** The next of 32, 48, 64, 96, 128, 192, ...: at most half of it is padding, a sixth on average. */
export function bucket(size: number): number {
  let power = 32;
  while (power < size) power *= 2;
  const between = (power / 4) * 3;
  return size <= between && between >= 32 ? between : power;
}

/**
 * Positions that a graph makes logits for: an eighth, a quarter, half, three quarters or all of them. Every size is a graph
 * of its own, which costs seconds to compile and tens of megabytes to keep; the loss at padding costs less than that.
 */
export function targetBucket(targets: number, positions: number): number {
  return (
    [1 / 8, 1 / 4, 1 / 2, 3 / 4].map((share) => Math.ceil(positions * share)).find((size) => size >= targets) ??
    positions
  );
}

/**
 * Rows side by side, padded to a bucket of length. Row i's label at token t is the target of position t - 1; the first
 * token of a row has no position to be predicted from.
 *
 * @param batch rows of the graph; missing rows are padding
 */
export function makeMicroBatch(rows: readonly TrainingRow[], batch: number, maxLength: number): MicroBatch {
  const longest = rows.reduce((top, row) => Math.max(top, row.inputIds.length), 1);
  const length = Math.min(bucket(longest), Math.max(maxLength, longest));
  const inputIds = new Int32Array(batch * length);
  const starts = new Int32Array(batch * length);
  const positions: number[] = [];
  const ids: number[] = [];
  let tokens = 0;
  let longestDocument = 1;
  for (let i = 0; i < batch; i++) {
    const row = rows[i];
    const offset = i * length;
    inputIds.set(row?.inputIds ?? [], offset);
    documentStarts(row?.seqLengths ?? [], starts.subarray(offset, offset + length));
    if (!row) continue;
    tokens += row.inputIds.length;
    for (let j = 0; j < row.seqLengths.length; j++) longestDocument = Math.max(longestDocument, row.seqLengths[j]!);
    for (let t = 1; t < row.labels.length; t++) {
      if (row.labels[t] === -100) continue;
      positions.push(offset + t - 1);
      ids.push(row.labels[t]!);
    }
  }
  const targets = targetBucket(positions.length, batch * length);
  const targetPositions = new Int32Array(targets);
  const targetIds = new Int32Array(targets);
  const targetWeights = new Float32Array(targets);
  targetPositions.set(positions);
  targetIds.set(ids);
  targetWeights.fill(1, 0, positions.length);
  return {
    shape: { batch, length, band: band(longestDocument, length), targets },
    inputIds,
    documentStarts: starts,
    targetPositions,
    targetIds,
    targetWeights,
    longest,
    tokens,
    targets: positions.length,
  };
}

/** The power of two at or above the longest document, at most the row. */
function band(longestDocument: number, length: number): number {
  return Math.min(length, 2 ** Math.ceil(Math.log2(longestDocument)));
}

/** The order of rows in an epoch: a permutation that the seed and the epoch decide. */
export function epochOrder(numRows: number, seed: number, epoch: number): Int32Array {
  const order = Array.from({ length: numRows }, (_, i) => i);
  new Random(seed).fork(`epoch ${epoch}`).shuffle(order);
  return Int32Array.from(order);
}

/** Groups that are sorted together: few enough that what goes together changes from epoch to epoch. */
const MAX_SORTED_GROUPS = 50;

/**
 * The same rows in another order, so that each `group` of consecutive ones is of like lengths: as transformers'
 * LengthGroupedSampler, stretches of up to 50 groups (a quarter of the rows at most) are sorted, longest first, and the
 * longest row of all comes first, so that a step that takes too much memory does so at once.
 */
export function groupByLength(order: Int32Array, lengths: ArrayLike<number>, group: number): Int32Array {
  const stretch = group * Math.max(1, Math.min(Math.floor(order.length / (group * 4)), MAX_SORTED_GROUPS));
  const grouped = Int32Array.from(order);
  let longest = 0;
  for (let start = 0; start < grouped.length; start += stretch) {
    grouped.subarray(start, start + stretch).sort((a, b) => lengths[b]! - lengths[a]!);
    if (lengths[grouped[start]!]! > lengths[grouped[longest]!]!) longest = start;
  }
  [grouped[0], grouped[longest]] = [grouped[longest]!, grouped[0]!];
  return grouped;
}

interface PlanSource {
  numRows: number;
  seed: number;
  batch: number;
  accumulation: number;
  /** Tokens of each row, where rows of like length are to go together. */
  lengths?: ArrayLike<number> | undefined;
}

/** Which rows an optimizer step reads, micro-batch by micro-batch. The last step of an epoch may be smaller. */
export class StepPlan {
  readonly stepsPerEpoch: number;
  readonly #source: PlanSource;
  #epoch = -1;
  #order: Int32Array = new Int32Array();

  constructor(source: PlanSource) {
    this.#source = source;
    this.stepsPerEpoch = Math.ceil(source.numRows / (source.batch * source.accumulation));
  }

  /** Row indices of step `step` (0 is the first), in micro-batches. */
  rowsOf(step: number): Int32Array[] {
    const { numRows, seed, batch, accumulation, lengths } = this.#source;
    const epoch = Math.floor(step / this.stepsPerEpoch);
    if (epoch !== this.#epoch) {
      const order = epochOrder(numRows, seed, epoch);
      this.#order = lengths ? groupByLength(order, lengths, batch * accumulation) : order;
      this.#epoch = epoch;
    }
    const first = (step % this.stepsPerEpoch) * batch * accumulation;
    const rows = this.#order.subarray(first, first + batch * accumulation);
    const parts: Int32Array[] = [];
    for (let start = 0; start < rows.length; start += batch) parts.push(rows.subarray(start, start + batch));
    return parts;
  }
}
