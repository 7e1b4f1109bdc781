import { LlmkitError } from '../core/errors.ts';
import { BYTE_TO_CHAR, utf16ToUtf8 } from './byte-level.ts';
import type { WordCounts } from './count-words.ts';
import { PairTable } from './pair-table.ts';
import { PairQueue } from './pair-queue.ts';
import type { TrainBpeOptions } from './train.ts';
import { grown } from './word-table.ts';

/**
 * Learns merges from word counts. `tokens` and `ids` hold the special tokens and bytes and grow by one token a merge.
 * A pair's words are found through lists kept since the pair arose, so a merge touches only words that hold it.
 *
 * @returns [left id, right id] in the order they were learnt.
 */
export function learnMerges(
  counts: WordCounts,
  tokens: string[],
  ids: Map<string, number>,
  { vocabSize, minFrequency = 0, maxTokenLength = Infinity, onProgress, signal }: TrainBpeOptions,
): [number, number][] {
  const corpus = new Corpus(counts, ids, maxTokenLength);
  const merges: [number, number][] = [];
  while (tokens.length < vocabSize) {
    const top = corpus.mostFrequent();
    if (top === undefined || top.count < 1 || top.count < minFrequency) break;
    const text = tokens[top.left]! + tokens[top.right]!;
    let id = ids.get(text);
    if (id === undefined) {
      id = tokens.length;
      tokens.push(text);
      ids.set(text, id);
    }
    merges.push([top.left, top.right]);
    corpus.merge(top.left, top.right, id, top.words);
    if (merges.length % 256 === 0) {
      if (signal?.aborted) throw new LlmkitError('interrupted', 'stopped while learning merges');
      onProgress?.({ stage: 'merge', current: tokens.length, total: vocabSize });
    }
  }
  onProgress?.({ stage: 'merge', current: tokens.length, total: tokens.length });
  return merges;
}

/** The words as symbols, and for every pair of neighbours its count and the words it arose in. */
class Corpus {
  readonly #counts: Float64Array;
  readonly #maxLength: number;
  readonly #pairs = new PairTable(1 << 14);
  #pairCounts = new Float64Array(1 << 14);
  readonly #queue: PairQueue;
  /** Symbols of word w: [#starts[w], #ends[w]); merging shortens a word in place. */
  #symbols = new Int32Array(1 << 14);
  readonly #starts: Uint32Array;
  readonly #ends: Uint32Array;
  /** Bytes a token stands for. */
  #lengths = new Int32Array(1 << 10);

  constructor({ words, counts }: WordCounts, ids: Map<string, number>, maxTokenLength: number) {
    this.#counts = counts;
    this.#maxLength = maxTokenLength;
    this.#starts = new Uint32Array(words.size);
    this.#ends = new Uint32Array(words.size);
    this.#queue = new PairQueue(this.#pairs);
    const byteIds = Int32Array.from(BYTE_TO_CHAR, (char) => ids.get(char)!);
    for (const id of byteIds) this.#setLength(id, 1);
    let bytes = new Uint8Array(256);
    let used = 0;
    for (let w = 0; w < words.size; w++) {
      const [start, end] = [words.start(w), words.end(w)];
      if (3 * (end - start) > bytes.length) bytes = new Uint8Array(6 * (end - start));
      const n = utf16ToUtf8(words.arena(), start, end, bytes);
      if (used + n > this.#symbols.length) this.#symbols = grown(this.#symbols, used + n);
      for (let i = 0; i < n; i++) this.#symbols[used + i] = byteIds[bytes[i]!]!;
      this.#starts[w] = used;
      used += n;
      this.#ends[w] = used;
      for (let i = used - n; i + 1 < used; i++) this.#count(this.#symbols[i]!, this.#symbols[i + 1]!, w, 1);
    }
    this.#queue.enqueue(this.#pairCounts);
  }

  /** Takes the pair of the highest count, of equals that of the smallest ids, with the words to look for it in. */
  mostFrequent(): { left: number; right: number; count: number; words: Int32Array } | undefined {
    return this.#queue.pop(this.#pairCounts);
  }

  merge(left: number, right: number, merged: number, words: Int32Array): void {
    this.#setLength(merged, this.#lengths[left]! + this.#lengths[right]!);
    for (const word of words) this.#mergeIn(word, left, right, merged);
    this.#queue.enqueue(this.#pairCounts);
  }

  /**
   * Merges left to right. The pair's own count stays, as in HF's trainer: nothing of it is left to be counted.
   * A neighbour that would make a token too long is not counted as a pair, so it is never merged.
   */
  #mergeIn(word: number, left: number, right: number, merged: number): void {
    const symbols = this.#symbols;
    const start = this.#starts[word]!;
    let end = this.#ends[word]!;
    for (let i = start; i + 1 < end; i++) {
      if (symbols[i] !== left || symbols[i + 1] !== right) continue;
      symbols[i] = merged;
      symbols.copyWithin(i + 1, i + 2, end);
      end--;
      if (i > start) {
        const before = symbols[i - 1]!;
        this.#uncount(before, left, word);
        if (this.#fits(before, merged)) this.#count(before, merged, word, 1);
      }
      if (i + 1 < end) {
        const after = symbols[i + 1]!;
        this.#uncount(right, after, word);
        if (this.#fits(merged, after)) this.#count(merged, after, word, 1);
      }
    }
    this.#ends[word] = end;
  }

  #fits(a: number, b: number): boolean {
    return this.#lengths[a]! + this.#lengths[b]! < this.#maxLength;
  }

  #count(left: number, right: number, word: number, sign: 1 | -1): void {
    const pair = this.#pairs.intern(left, right);
    if (pair >= this.#pairCounts.length) this.#pairCounts = grown(this.#pairCounts, pair + 1);
    this.#pairCounts[pair]! += sign * this.#counts[word]!;
    if (sign > 0) this.#queue.note(pair, word);
  }

  #uncount(left: number, right: number, word: number): void {
    this.#count(left, right, word, -1);
  }

  #setLength(id: number, length: number): void {
    if (id >= this.#lengths.length) this.#lengths = grown(this.#lengths, id + 1);
    this.#lengths[id] = length;
  }
}
