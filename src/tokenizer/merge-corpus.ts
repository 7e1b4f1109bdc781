import type { WordCounts } from './byte-words.ts';
import { MergeQueue } from './merge-queue.ts';
import { copied, Pairs } from './pairs.ts';
import { PositionLists } from './position-lists.ts';
import { runAt, type SegmentedWords, segmentWords } from './segmented-words.ts';

/**
 * Pairs seen less often than the text has bytes for this many of each merge are left out at first: in real text the last
 * of 1,000 to 32,000 merges occurs more often than that, and most pairs (of long words seen once) less.
 */
const FEWEST_SHARE = 100;
/** Each time the pairs run out, so many times rarer ones are let in. */
const FEWEST_STEP = 8;

/** So many positions are read ahead. */
const BLOCK = 128;

/** Never negative. Reads without a branch between them miss the caches all at once, and those that follow hit. */
function sumAt(symbols: SegmentedWords['symbols'], positions: Int32Array, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) sum += symbols[positions[i]!]!;
  return sum;
}

/**
 * The words as tokens, and every pair of neighbours that is frequent enough with its count and the positions where it
 * arose. A merge visits the pair's positions only, and sums its changes by neighbouring token before it looks up any
 * pair. A pair never becomes more frequent: it arises in one merge, that which makes its newer token. So a pair that is
 * too rare then is left out, and all pairs are counted anew when rarer ones are wanted.
 */
export class MergeCorpus {
  readonly #words: SegmentedWords;
  readonly #maxLength: number;
  readonly #minFrequency: number;
  /** Pairs that occur less often are not there. */
  #fewest: number;
  #pairs = new Pairs();
  #queue = new MergeQueue(this.#pairs);
  #lists = new PositionLists(this.#pairs);
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

  /** @param byteIds the token of each byte. @param limits the most merges that will be asked for; ids stay below vocabSize. */
  constructor(
    counts: WordCounts,
    byteIds: Int32Array,
    limits: { numMerges: number; vocabSize: number; minFrequency: number; maxTokenLength: number },
  ) {
    this.#words = segmentWords(counts, byteIds, limits.vocabSize);
    this.#maxLength = limits.maxTokenLength;
    this.#minFrequency = Math.max(1, limits.minFrequency);
    this.#after = limits.vocabSize + 2;
    this.#lengths = new Int32Array(this.#after);
    for (const id of byteIds) this.#lengths[id] = 1;
    this.#changes = new Float64Array(2 * this.#after);
    this.#occurrences = new Int32Array(2 * this.#after);
    this.#cursors = new Int32Array(2 * this.#after);
    this.#touched = new Int32Array(2 * this.#after);
    const { starts } = counts;
    const bytes = counts.counts.reduce((sum, count, w) => sum + count * (starts[w + 1]! - starts[w]!), 0);
    this.#fewest = Math.max(this.#minFrequency, bytes / (FEWEST_SHARE * Math.max(1, limits.numMerges)));
    this.#countPairs();
  }

  /** Takes the pair of the highest count, of equals that of the smallest ids; undefined when no other is frequent. */
  mostFrequent(): { left: number; right: number; pair: number } | undefined {
    for (;;) {
      const pair = this.#queue.pop();
      if (pair >= 0 && this.#pairs.counts[pair]! >= this.#fewest) {
        return { left: this.#pairs.left(pair), right: this.#pairs.right(pair), pair };
      }
      if (this.#fewest === this.#minFrequency) return undefined;
      this.#fewest = Math.max(this.#minFrequency, this.#fewest / FEWEST_STEP);
      this.#countPairs();
    }
  }

  /** Merges the pair that was taken last, left to right, where it stands. */
  merge(pair: number, merged: number): void {
    const [left, right] = [this.#pairs.left(pair), this.#pairs.right(pair)];
    this.#lengths[merged] = this.#lengths[left]! + this.#lengths[right]!;
    this.#replace(left, right, merged, this.#lists.take(pair));
    this.#updatePairs(left, right, merged);
    this.#writeLists();
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
    this.#numPlaces = numPlaces / 3;
    this.#numTouched = numTouched;
  }

  /**
   * Takes the changes from the counts of the pairs that were broken, and queues those that the merged token makes with
   * its neighbours. A neighbour that would make a token too long is not counted as a pair, so never merged.
   */
  #updatePairs(left: number, right: number, merged: number): void {
    const [pairs, changes, after] = [this.#pairs, this.#changes, this.#after];
    const { border } = this.#words;
    // Where one merge follows another (abab), the pair (merged, left) was there in between only.
    const between = changes[merged]!;
    this.#lists.reserve(2 * this.#numPlaces);
    for (let i = 0; i < this.#numTouched; i++) {
      const neighbour = this.#touched[i]!;
      const before = neighbour < after;
      const token = before ? neighbour : neighbour - after;
      const change = changes[neighbour]!;
      const length = this.#occurrences[neighbour]!;
      this.#occurrences[neighbour] = 0;
      this.#cursors[neighbour] = -1;
      if (token === border) continue;
      if (neighbour !== merged) {
        const broken = before ? pairs.find(token, left) : pairs.find(right, token);
        if (broken >= 0) pairs.counts[broken]! -= change;
      }
      const count = neighbour === after + left ? change - between : change;
      if (count < this.#fewest || !this.#fits(token, merged)) continue;
      const pair = before ? pairs.add(token, merged) : pairs.add(merged, token);
      pairs.counts[pair] = count;
      this.#cursors[neighbour] = this.#lists.add(pair, length);
      this.#queue.push(pair);
    }
    for (let i = 0; i < this.#numTouched; i++) changes[this.#touched[i]!] = 0;
  }

  /** Writes down where the pairs that were queued are. */
  #writeLists(): void {
    const [places, lengths, cursors, after] = [this.#places, this.#lengths, this.#cursors, this.#after];
    const { positions } = this.#lists;
    for (let i = 0; i < 3 * this.#numPlaces; i += 3) {
      const p = places[i]!;
      const x = places[i + 1]!;
      const y = after + places[i + 2]!;
      const before = cursors[x]!;
      if (before >= 0) {
        positions[before] = p - lengths[x]!;
        cursors[x] = before + 1;
      }
      const behind = cursors[y]!;
      if (behind >= 0) {
        positions[behind] = p;
        cursors[y] = behind + 1;
      }
    }
  }

  #fits(a: number, b: number): boolean {
    return this.#lengths[a]! + this.#lengths[b]! < this.#maxLength;
  }

  /** Counts the pairs of the words as they are, and queues the frequent ones. Two bytes may always be merged. */
  #countPairs(): void {
    const { all, occurrences } = this.#allPairs();
    const pairs = new Pairs();
    this.#pairs = pairs;
    this.#queue = new MergeQueue(pairs);
    this.#lists = new PositionLists(pairs, this.#lists.positions);
    const frequent: number[] = [];
    let total = 0;
    for (let pair = 0; pair < all.size; pair++) {
      const [left, right] = [all.left(pair), all.right(pair)];
      const bytes = this.#lengths[left]! + this.#lengths[right]!;
      if (all.counts[pair]! < this.#fewest || (bytes > 2 && bytes >= this.#maxLength)) continue;
      frequent.push(pair);
      total += occurrences[pair]!;
    }
    this.#lists.reserve(total);
    for (const known of frequent) {
      const pair = pairs.add(all.left(known), all.right(known));
      pairs.counts[pair] = all.counts[known]!;
      this.#lists.add(pair, occurrences[known]!);
      this.#queue.push(pair);
    }
    this.#fillLists();
  }

  #allPairs(): { all: Pairs; occurrences: Int32Array } {
    const { symbols, border, runStarts, runCounts } = this.#words;
    const lengths = this.#lengths;
    const all = new Pairs();
    let occurrences = new Int32Array(all.counts.length);
    for (let run = 0; run < runCounts.length; run++) {
      const count = runCounts[run]!;
      const end = runStarts[run + 1]! - 1;
      for (let p = runStarts[run]!; p < end;) {
        const left = symbols[p]!;
        p += left === border ? 1 : lengths[left]!;
        const right = symbols[p]!;
        if (left === border || right === border) continue;
        let pair = all.find(left, right);
        if (pair < 0) pair = all.add(left, right);
        if (pair >= occurrences.length) occurrences = copied(occurrences, new Int32Array(all.counts.length));
        all.counts[pair]! += count;
        occurrences[pair]!++;
      }
    }
    return { all, occurrences };
  }

  #fillLists(): void {
    const { symbols, border } = this.#words;
    const { positions } = this.#lists;
    const cursors = this.#pairs.from.slice();
    const end = symbols.length - 1;
    for (let p = 1; p < end;) {
      const left = symbols[p]!;
      const start = p;
      p += left === border ? 1 : this.#lengths[left]!;
      const right = symbols[p]!;
      if (left === border || right === border) continue;
      const pair = this.#pairs.find(left, right);
      if (pair >= 0) positions[cursors[pair]!++] = start;
    }
  }
}
