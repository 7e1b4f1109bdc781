import { MARKS_LEAD, type Scanner } from './scan.ts';
import { CLASSES, LETTER, OTHER, SPACE } from './unicode.ts';

/** Words are found this many at a time. */
const BATCH = 512;
const BLANK = 0x20;
const APOSTROPHE = 0x27;
/** From here on (CJK radicals) letters come in clauses without spaces, which seldom come twice. */
const FIRST_UNSPACED = 0x2e80;
const FACTOR = 0x01000193;
/** The hash of a word not worth looking up. */
export const UNHASHED = 0;

/** Class of a unit; SURROGATE stands for what takes a look at two units. */
const SURROGATE = 5;
const UNIT_CLASSES = CLASSES.slice(0, 1 << 16).fill(SURROGATE, 0xd800, 0xe000);

/** Where words end, each where the next one starts, and their hashes. */
export interface Words {
  ends: Int32Array;
  hashes: Int32Array;
}

/** Finds words a batch at a time and hashes them on the way. */
export class WordScanner implements Words {
  readonly ends = new Int32Array(BATCH);
  readonly hashes = new Int32Array(BATCH);
  readonly #scanner: Scanner;
  readonly #marksLead: boolean;

  constructor(scanner: Scanner) {
    this.#scanner = scanner;
    this.#marksLead = MARKS_LEAD.has(scanner);
  }

  /**
   * The next words of units[start, end), the first at `start`; returns how many. units[end] must be there and 0. Letters
   * alone or behind a blank (or another mark) are the same word to all three patterns, and most words: they are found
   * here.
   */
  scan(units: Uint16Array, start: number, end: number): number {
    const { ends, hashes } = this;
    const marksLead = this.#marksLead;
    const classes = UNIT_CLASSES;
    let n = 0;
    for (let i = start; i < end && n < BATCH; n++) {
      let j = i;
      let unit = units[j]!;
      let kind = classes[unit]!;
      let hash = 1;
      if (unit === BLANK || (marksLead && (kind === OTHER || kind === SPACE) && unit !== APOSTROPHE)) {
        hash = Math.imul(hash ^ unit, FACTOR);
        unit = units[++j]!;
        kind = classes[unit]!;
      }
      if (kind === LETTER && unit >= FIRST_UNSPACED) {
        do kind = classes[units[++j]!]!;
        while (kind === LETTER);
        hash = UNHASHED;
      } else if (kind === LETTER) {
        do {
          hash = Math.imul(hash ^ unit, FACTOR);
          unit = units[++j]!;
          kind = classes[unit]!;
        } while (kind === LETTER);
        hash = finished(hash);
      } else {
        kind = SURROGATE;
      }
      if (kind === SURROGATE) {
        j = this.#scanner(units, i, end);
        hash = hashOf(units, i, j);
      }
      ends[n] = j;
      hashes[n] = hash;
      i = j;
    }
    return n;
  }
}

/** The hash of units[start, end), as `scan` gives it. */
export function hashOf(units: Uint16Array, start: number, end: number): number {
  let hash = 1;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ units[i]!, FACTOR);
  return finished(hash);
}

/** Brings the high bits, which hold the mixing, down to those that choose a slot. */
function finished(hash: number): number {
  const mixed = hash ^ (hash >>> 15);
  return mixed === UNHASHED ? 1 : mixed;
}
