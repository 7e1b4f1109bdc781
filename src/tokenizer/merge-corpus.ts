import type { WordCounts } from './byte-words.ts';
import { MergeQueue } from './merge-queue.ts';
import { PairCounts } from './pair-counts.ts';
import { PositionLists } from './position-lists.ts';
import { runAt, type SegmentedWords, segmentWords } from './segmented-words.ts';

export interface TopPair {
  left: number;
  right: number;
  count: number;
  /** Its entry in the queue. */
  entry: number;
}

/** So many positions are read ahead. */
const BLOCK = 128;

/** Never negative. Reads without a branch between them miss the caches all at once, and those that follow hit. */
function sumAt(symbols: SegmentedWords['symbols'], positions: Int32Array, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) sum += symbols[positions[i]!]!;
  return sum;
}

/**
 * The words as tokens, every pair of neighbours with its count, and for each pair the positions where it arose. A merge
 * visits the pair's positions only, and sums its changes by neighbouring token before it looks up any pair.
 */
export class MergeCorpus {
  readonly #words: SegmentedWords;
  readonly #pairs = new PairCounts();
  readonly #queue = new MergeQueue(this.#pairs);
  readonly #lists: PositionLists;
  readonly #maxLength: number;
  /** Bytes of each token. */
  readonly #lengths: Int32Array;
  /** Of each place that was merged: position, token before, token after. */
  #places = new Int32Array(3 << 10);
  #numPlaces = 0;
  /** By neighbour of the merged pair: a token before it has its id, one after it #after + its id. */
  readonly #after: number;
  readonly #changes: Float64Array;
  readonly #occurrences: Int32Array;
  readonly #cursors: Int32Array;
  /** The neighbours of this merge, each once. */
  readonly #touched: Int32Array;
  #numTouched = 0;

  constructor(counts: WordCounts, byteIds: Int32Array, vocabSize: number, maxTokenLength: number) {
    this.#words = segmentWords(counts, byteIds, vocabSize);
    this.#maxLength = maxTokenLength;
    this.#after = vocabSize + 2;
    this.#lengths = new Int32Array(this.#after);
    for (const id of byteIds) this.#lengths[id] = 1;
    this.#changes = new Float64Array(2 * this.#after);
    this.#occurrences = new Int32Array(2 * this.#after);
    this.#cursors = new Int32Array(2 * this.#after);
    this.#touched = new Int32Array(2 * this.#after);
    this.#lists = new PositionLists(this.#queue, this.#pairs, this.#words, this.#lengths);
    this.#countBytePairs(byteIds);
  }

  /** Takes the pair of the highest count, of equals that of the smallest ids. */
  mostFrequent(): TopPair | undefined {
    const queue = this.#queue;
    const entry = queue.pop();
    if (entry < 0) return undefined;
    return { left: queue.left[entry]!, right: queue.right[entry]!, count: queue.countOf(entry), entry };
  }

  /**
   * Merges the pair, left to right, in the words its entry lists. Its own count stays, as in HF's trainer: nothing of it
   * is left to be counted. A neighbour that would make a token too long is not counted as a pair, so never merged.
   */
  merge({ left, right, entry }: TopPair, merged: number): void {
    this.#lengths[merged] = this.#lengths[left]! + this.#lengths[right]!;
    const again = this.#pairs.queuedAgain(left, right);
    this.#replace(left, right, merged, again ? this.#lists.takeWords(entry) : this.#lists.take(entry));
    this.#count(left, right, merged);
    this.#enqueue(merged);
    for (let i = 0; i < this.#numTouched; i++) {
      this.#changes[this.#touched[i]!] = 0;
      this.#occurrences[this.#touched[i]!] = 0;
    }
  }

  /** Writes the merged token over the pair, and sums up by neighbour how often each was there. */
  #replace(left: number, right: number, merged: number, positions: Int32Array): void {
    const { symbols, inside, runStarts, runCounts } = this.#words;
    const changes = this.#changes;
    const occurrences = this.#occurrences;
    const touched = this.#touched;
    const after = this.#after;
    const lengthLeft = this.#lengths[left]!;
    const lengthRight = this.#lengths[right]!;
    if (3 * positions.length > this.#places.length) this.#places = new Int32Array(4 * positions.length);
    const places = this.#places;
    let numPlaces = 0;
    let numTouched = 0;
    let [run, runEnd, count] = [0, 0, 0];
    for (let k = 0, block = 0; k < positions.length; k++) {
      if (k === block) {
        block = Math.min(k + BLOCK, positions.length);
        if (sumAt(symbols, positions, k, block) < 0) break;
      }
      const p = positions[k]!;
      const q = p + lengthLeft;
      if (symbols[p] !== left || symbols[q] !== right) continue;
      const end = q + lengthRight;
      symbols[q] = inside;
      symbols[end - 1] = merged;
      symbols[p] = merged;
      if (p >= runEnd) {
        run = runAt(runStarts, run, p);
        runEnd = runStarts[run + 1]!;
        count = runCounts[run]!;
      }
      const x = symbols[p - 1]!;
      const y = symbols[end]!;
      changes[x]! += count;
      if (occurrences[x]!++ === 0) touched[numTouched++] = x;
      changes[after + y]! += count;
      if (occurrences[after + y]!++ === 0) touched[numTouched++] = after + y;
      places[numPlaces] = p;
      places[numPlaces + 1] = x;
      places[numPlaces + 2] = y;
      numPlaces += 3;
    }
    this.#numPlaces = numPlaces;
    this.#numTouched = numTouched;
  }

  /** New pairs first: a pair may be made and merged away in one merge (abab). */
  #count(left: number, right: number, merged: number): void {
    const { border } = this.#words;
    const after = this.#after;
    for (let i = 0; i < this.#numTouched; i++) {
      const neighbour = this.#touched[i]!;
      const change = this.#changes[neighbour]!;
      const token = neighbour < after ? neighbour : neighbour - after;
      if (token === border || !this.#fits(token, merged)) continue;
      if (neighbour < after) this.#pairs.add(token, merged, change);
      else this.#pairs.add(merged, token, change);
    }
    for (let i = 0; i < this.#numTouched; i++) {
      const neighbour = this.#touched[i]!;
      const change = this.#changes[neighbour]!;
      if (neighbour < after) {
        if (neighbour !== border) this.#pairs.add(neighbour, left, -change);
      } else if (neighbour - after !== border) {
        this.#pairs.add(right, neighbour - after, -change);
      }
    }
  }

  /** Queues the pairs that the merged token makes with its neighbours, with the positions where it does. */
  #enqueue(merged: number): void {
    const places = this.#places;
    const lengths = this.#lengths;
    const occurrences = this.#occurrences;
    const cursors = this.#cursors;
    const after = this.#after;
    // The merged token before and after itself makes one pair. It is after itself only when it existed before.
    const twin = after + merged;
    if (occurrences[twin]! > 0) {
      if (occurrences[merged] === 0) this.#touched[this.#numTouched++] = merged;
      occurrences[merged]! += occurrences[twin]!;
      occurrences[twin] = 0;
    }
    this.#lists.reserve((2 * this.#numPlaces) / 3);
    for (let i = 0; i < this.#numTouched; i++) {
      const neighbour = this.#touched[i]!;
      cursors[neighbour] = neighbour === twin ? -1 : this.#newList(neighbour, merged);
    }
    const positions = this.#lists.positions;
    for (let i = 0; i < this.#numPlaces; i += 3) {
      const p = places[i]!;
      const x = places[i + 1]!;
      const y = places[i + 2]!;
      const before = cursors[x]!;
      if (before >= 0) {
        positions[before] = p - lengths[x]!;
        cursors[x] = before + 1;
      }
      const slot = y === merged ? merged : after + y;
      const behind = cursors[slot]!;
      if (behind >= 0) {
        positions[behind] = p;
        cursors[slot] = behind + 1;
      }
    }
  }

  /** Queues the pair of the merged token and a neighbour; returns where its list starts, -1 when it is not queued. */
  #newList(neighbour: number, merged: number): number {
    const after = this.#after;
    const token = neighbour < after ? neighbour : neighbour - after;
    if (token === this.#words.border || !this.#fits(token, merged)) return -1;
    const [left, right] = neighbour < after ? [token, merged] : [merged, token];
    const count = this.#pairs.get(left, right);
    if (count <= 0) return -1;
    this.#pairs.queue(left, right);
    return this.#lists.push(left, right, count, this.#occurrences[neighbour]!);
  }

  #fits(a: number, b: number): boolean {
    return this.#lengths[a]! + this.#lengths[b]! < this.#maxLength;
  }

  /** Counts and queues all pairs of bytes. */
  #countBytePairs(byteIds: Int32Array): void {
    const { symbols, border, runStarts, runCounts } = this.#words;
    const byteOf = new Int32Array(this.#after);
    for (const [byte, id] of byteIds.entries()) byteOf[id] = byte;
    const counts = new Float64Array(1 << 16);
    const occurrences = new Int32Array(1 << 16);
    let total = 0;
    for (let run = 0; run < runCounts.length; run++) {
      const count = runCounts[run]!;
      const end = runStarts[run + 1]!;
      for (let p = runStarts[run]!; p < end - 1; p++) {
        if (symbols[p] === border || symbols[p + 1] === border) continue;
        const pair = (byteOf[symbols[p]!]! << 8) | byteOf[symbols[p + 1]!]!;
        counts[pair]! += count;
        occurrences[pair]!++;
        total++;
      }
    }
    this.#lists.reserve(total);
    const cursors = new Int32Array(1 << 16).fill(-1);
    for (let pair = 0; pair < counts.length; pair++) {
      if (counts[pair]! <= 0) continue;
      const [left, right] = [byteIds[pair >> 8]!, byteIds[pair & 0xff]!];
      this.#pairs.add(left, right, counts[pair]!);
      this.#pairs.queue(left, right);
      cursors[pair] = this.#lists.push(left, right, counts[pair]!, occurrences[pair]!);
    }
    const positions = this.#lists.positions;
    const end = runStarts[runCounts.length]!;
    for (let p = 1; p < end - 1; p++) {
      if (symbols[p] === border || symbols[p + 1] === border) continue;
      const pair = (byteOf[symbols[p]!]! << 8) | byteOf[symbols[p + 1]!]!;
      if (cursors[pair]! >= 0) positions[cursors[pair]!++] = p;
    }
  }
}
