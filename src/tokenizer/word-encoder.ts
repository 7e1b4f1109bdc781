import { BYTE_TO_CHAR, utf16ToUtf8 } from './byte-level.ts';
import { MergeTable } from './merge-table.ts';
import { Merger } from './merge.ts';
import { Segmenter } from './segmenter.ts';
import { TokenPairs } from './token-pairs.ts';
import { TokenTexts } from './token-texts.ts';
import { TokenTrie } from './token-trie.ts';
import type { BpeModelJson } from './types.ts';

/**
 * Words are merged until that has cost about as much as the tables of the linear-time search, which grow with the
 * merges. A word of n bytes counts as n * n, one that goes through the heap as so much a byte.
 */
const WORK_PER_MERGE = 160;
const MOST_PER_BYTE = 40;

/** The BPE model of a tokenizer.json: ids of single words, which the pre-tokenizer cut. */
export class WordEncoder {
  readonly #model: BpeModelJson;
  readonly #vocab: Map<string, number>;
  readonly #table: MergeTable;
  readonly #merger: Merger;
  readonly #byteIds: Int32Array;
  readonly #unknownId: number;
  /** Left, right and merged id of every merge; let go once the tables are built. */
  #merges: Int32Array | undefined;
  #work = 0;
  #segmenter: Segmenter | undefined;
  /** Where the model ignores merges for words that are tokens: these. */
  #wholeWords: TokenTrie | undefined;
  #bytes = new Uint8Array(1 << 8);
  #symbols = new Int32Array(1 << 8);

  constructor(model: BpeModelJson, vocab: Map<string, number>) {
    this.#model = model;
    this.#vocab = vocab;
    this.#merges = new Int32Array(3 * model.merges.length);
    for (const [rank, [left, right]] of model.merges.entries()) {
      this.#merges[3 * rank] = vocab.get(left)!;
      this.#merges[3 * rank + 1] = vocab.get(right)!;
      this.#merges[3 * rank + 2] = vocab.get(left + right)!;
    }
    this.#table = new MergeTable(this.#merges);
    this.#merger = new Merger(this.#table);
    this.#byteIds = Int32Array.from(BYTE_TO_CHAR, (char) => vocab.get(char) ?? -1);
    this.#unknownId = model.unk_token === null ? -1 : (vocab.get(model.unk_token) ?? -1);
  }

  /** Writes the ids of units[start, end) to ids[at...], which must have room for three a unit; returns their end. */
  encode(units: Uint16Array, start: number, end: number, ids: Int32Array, at: number): number {
    if (this.#merges !== undefined && this.#work > (WORK_PER_MERGE * this.#merges.length) / 3) this.#buildTables();
    if (this.#segmenter !== undefined) {
      if (this.#wholeWords !== undefined) {
        const id = this.#wholeWords.longest(units, start, end);
        if (id >= 0 && this.#wholeWords.unitCount[id] === end - start) {
          ids[at] = id;
          return at + 1;
        }
      }
      const found = this.#segmenter.encode(units, start, end, ids, at);
      if (found >= 0) return found;
    }
    return this.#merge(units, start, end, ids, at);
  }

  #merge(units: Uint16Array, start: number, end: number, ids: Int32Array, at: number): number {
    const room = 3 * (end - start);
    if (room > this.#bytes.length) {
      this.#bytes = new Uint8Array(room);
      this.#symbols = new Int32Array(room);
    }
    const length = utf16ToUtf8(units, start, end, this.#bytes);
    if (this.#model.ignore_merges && this.#segmenter === undefined) {
      let word = '';
      for (let i = 0; i < length; i++) word += BYTE_TO_CHAR[this.#bytes[i]!]!;
      const id = this.#vocab.get(word);
      if (id !== undefined) {
        ids[at] = id;
        return at + 1;
      }
    }
    this.#work += length * Math.min(length, MOST_PER_BYTE);
    const symbols = this.#symbols;
    const n = this.#merger.merge(symbols, this.#toSymbols(length));
    for (let i = 0; i < n; i++) ids[at++] = symbols[i]!;
    return at;
  }

  /** The first `length` of #bytes as ids in #symbols. A byte the vocabulary lacks is the unknown token or is dropped. */
  #toSymbols(length: number): number {
    let n = 0;
    let lastUnknown = false;
    for (let i = 0; i < length; i++) {
      const id = this.#byteIds[this.#bytes[i]!]!;
      if (id >= 0) this.#symbols[n++] = id;
      else if (this.#unknownId >= 0 && !(lastUnknown && this.#model.fuse_unk)) this.#symbols[n++] = this.#unknownId;
      lastUnknown = id < 0;
    }
    return n;
  }

  #buildTables(): void {
    const merges = this.#merges!;
    this.#merges = undefined;
    // With bytes missing or an id given twice, only merging says what comes out.
    if (this.#byteIds.includes(-1) || new Set(this.#vocab.values()).size < this.#vocab.size) return;
    const texts = new TokenTexts(this.#vocab);
    const pairs = new TokenPairs(merges, this.#table, this.#merger, this.#byteIds, texts);
    const trie = new TokenTrie(texts, (id) => pairs.isEncoding(id));
    this.#segmenter = new Segmenter(trie, pairs, texts.size, (units) => {
      const ids = new Int32Array(3 * units.length);
      return ids.slice(0, this.#merge(units, 0, units.length, ids, 0));
    });
    if (this.#model.ignore_merges) this.#wholeWords = new TokenTrie(texts, () => true);
  }
}
