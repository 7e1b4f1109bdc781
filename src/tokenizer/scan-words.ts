import type { Scanner } from './scan.ts';
import { CLASSES, LETTER } from './unicode.ts';

/** Words are found this many at a time. */
const BATCH = 512;
const BLANK = 0x20;
/** From here on (CJK radicals) letters come in clauses without spaces, which seldom come twice. */
const FIRST_UNSPACED = 0x2e80;
const FACTOR = 0x01000193;
/** The hash of a word not worth looking up. */
export const UNHASHED = 0;

/** Where words end, and their hashes; the first starts where `scanWords` was told to. */
export class WordBatch {
  readonly ends = new Int32Array(BATCH);
  readonly hashes = new Int32Array(BATCH);
}

/** Class of a unit; SURROGATE stands for what takes a look at two units. */
const SURROGATE = 5;
const UNIT_CLASSES = CLASSES.slice(0, 1 << 16).fill(SURROGATE, 0xd800, 0xe000);

/**
 * Finds the next words of units[start, end), at most a batch, hashing them on the way; returns how many. units[end]
 * must be there and 0. A blank and letters, which all three patterns take for a word, are found here.
 */
export function scanWords(scanner: Scanner, units: Uint16Array, start: number, end: number, batch: WordBatch): number {
  const { ends, hashes } = batch;
  const classes = UNIT_CLASSES;
  let n = 0;
  for (let i = start; i < end && n < BATCH; n++) {
    let j = i;
    let unit = units[j]!;
    let hash = 1;
    if (unit === BLANK) {
      hash = Math.imul(hash ^ BLANK, FACTOR);
      unit = units[++j]!;
    }
    let kind = classes[unit]!;
    let unspaced = false;
    if (kind === LETTER) {
      if (unit >= FIRST_UNSPACED) {
        unspaced = true;
        do kind = classes[units[++j]!]!;
        while (kind === LETTER);
      } else {
        do {
          hash = Math.imul(hash ^ unit, FACTOR);
          unit = units[++j]!;
          kind = classes[unit]!;
        } while (kind === LETTER);
        hash = finished(hash);
      }
    } else {
      kind = SURROGATE;
    }
    if (kind === SURROGATE) {
      j = scanner(units, i, end);
      // A mark may lead a clause.
      unspaced ||= j - i > 2 && units[i + 1]! >= FIRST_UNSPACED && classes[units[i + 1]!] === LETTER;
      if (!unspaced) hash = hashOf(units, i, j);
    }
    ends[n] = j;
    hashes[n] = unspaced ? UNHASHED : hash;
    i = j;
  }
  return n;
}

/** The hash of units[start, end), as `scanWords` gives it. */
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
