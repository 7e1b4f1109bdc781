/** A word of a rule; `rule` is the number the caller gave it. */
export interface Word {
  text: string;
  rule: number;
  /** It must not stand inside a longer word; has no meaning where the word begins or ends with Han, kana, Hangul, Thai. */
  whole: boolean;
}

export interface WordHit {
  start: number;
  end: number;
  rule: number;
}

/** Letters, digits and _ of scripts that part words with spaces: 1; case-folded units: the lower-case one. */
let wordUnits: Uint8Array | undefined;
let foldedUnits: Uint16Array | undefined;

const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\u30fc]/u;

function unitTables(): { word: Uint8Array; folded: Uint16Array } {
  if (wordUnits === undefined || foldedUnits === undefined) {
    wordUnits = new Uint8Array(0x10000);
    foldedUnits = new Uint16Array(0x10000);
    for (let unit = 0; unit < 0x10000; unit++) {
      const character = String.fromCharCode(unit);
      const lower = character.toLowerCase();
      foldedUnits[unit] = lower.length === 1 ? lower.charCodeAt(0) : unit;
      if (/[\p{L}\p{N}\p{M}_]/u.test(character) && !UNSPACED.test(character)) wordUnits[unit] = 1;
    }
  }
  return { word: wordUnits, folded: foldedUnits };
}

/** Edges of a node beyond this many units of the root are kept in one hash table of (node, unit). */
const EMPTY = -1;

/**
 * Finds thousands of words in one pass: a trie walked from every place where a word may begin. Most places are left
 * after one look at a table; the others cost as many steps as the text agrees with some word. Of words that begin at the
 * same place the longest is found, and the search goes on behind it.
 */
export class WordFinder {
  readonly #fold: boolean;
  /** First node by unit; 0 where no word begins with it. */
  readonly #root = new Int32Array(0x10000);
  #keys: Int32Array;
  #units: Uint16Array;
  #next: Int32Array;
  #mask: number;
  /** By node: the rule of the word that ends there, or -1; and for words that may be part of others. */
  readonly #wholeRule: number[] = [EMPTY];
  readonly #partRule: number[] = [EMPTY];
  /** A node from which only whole words go on is not entered inside a word. */
  readonly #hasPart = new Uint8Array(0x10000);
  readonly #word: Uint8Array;
  readonly #folded: Uint16Array;

  constructor(words: readonly Word[], ignoreCase: boolean) {
    const { word, folded } = unitTables();
    this.#fold = ignoreCase;
    this.#word = word;
    this.#folded = folded;
    const units = words.reduce((sum, { text }) => sum + text.length, 0);
    const size = 2 ** Math.ceil(Math.log2(2 * units + 16));
    this.#mask = size - 1;
    this.#keys = new Int32Array(size).fill(EMPTY);
    this.#units = new Uint16Array(size);
    this.#next = new Int32Array(size);
    for (const entry of words) this.#add(entry);
  }

  #add({ text, rule, whole }: Word): void {
    let node = 0;
    for (let i = 0; i < text.length; i++) {
      const unit = this.#unit(text, i);
      let next = i === 0 ? this.#root[unit]! : this.#step(node, unit);
      if (next === 0) {
        next = this.#wholeRule.push(EMPTY) - 1;
        this.#partRule.push(EMPTY);
        if (i === 0) this.#root[unit] = next;
        else this.#insert(node, unit, next);
      }
      node = next;
    }
    const first = this.#unit(text, 0);
    if (!whole || this.#word[first] === 0) this.#hasPart[first] = 1;
    const rules = whole ? this.#wholeRule : this.#partRule;
    // A word in two rules belongs to the first.
    if (rules[node] === EMPTY) rules[node] = rule;
  }

  #unit(text: string, at: number): number {
    const unit = text.charCodeAt(at);
    return this.#fold ? this.#folded[unit]! : unit;
  }

  #slot(node: number, unit: number): number {
    return (Math.imul(node, 0x9e3779b1) ^ Math.imul(unit, 0x85ebca6b)) >>> 7;
  }

  #step(node: number, unit: number): number {
    for (let slot = this.#slot(node, unit) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const key = this.#keys[slot]!;
      if (key === EMPTY) return 0;
      if (key === node && this.#units[slot] === unit) return this.#next[slot]!;
    }
  }

  #insert(node: number, unit: number, next: number): void {
    let slot = this.#slot(node, unit) & this.#mask;
    while (this.#keys[slot] !== EMPTY) slot = (slot + 1) & this.#mask;
    this.#keys[slot] = node;
    this.#units[slot] = unit;
    this.#next[slot] = next;
  }

  /** Every hit, in order, without overlaps. */
  find(text: string): WordHit[] {
    const hits: WordHit[] = [];
    let inside = false;
    for (let at = 0; at < text.length;) {
      const unit = this.#unit(text, at);
      const begins = !inside || this.#word[unit] === 0;
      if (this.#root[unit] !== 0 && (begins || this.#hasPart[unit] === 1)) {
        const hit = this.#longest(text, at, begins);
        if (hit !== undefined) {
          hits.push(hit);
          at = hit.end;
          inside = this.#word[text.charCodeAt(at - 1)] === 1;
          continue;
        }
      }
      inside = this.#word[unit] === 1;
      at++;
    }
    return hits;
  }

  #longest(text: string, start: number, begins: boolean): WordHit | undefined {
    let node = this.#root[this.#unit(text, start)]!;
    let end = 0;
    let rule = EMPTY;
    for (let at = start + 1; ; at++) {
      const part = this.#partRule[node]!;
      const whole = this.#wholeRule[node]!;
      const ends =
        whole !== EMPTY &&
        begins &&
        (at >= text.length || this.#word[text.charCodeAt(at)] === 0 || this.#word[text.charCodeAt(at - 1)] === 0);
      if (part !== EMPTY || ends) {
        end = at;
        rule = part === EMPTY || (ends && whole < part) ? whole : part;
      }
      if (at >= text.length) break;
      node = this.#step(node, this.#unit(text, at));
      if (node === 0) break;
    }
    return rule === EMPTY ? undefined : { start, end, rule };
  }
}
