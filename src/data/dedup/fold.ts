import { CLASSES, LETTER, NUMBER } from '../../tokenizer/unicode.ts';
import { DROPPED_MARKS, SPACING_MARKS } from './mark-ranges.ts';

/** What a UTF-16 unit is to shingling, in these bits of its entry in the table; what it is hashed as lies below. */
export const KIND = 7 << 16;
export const SEPARATOR = 0;
/** Part of a word: letters, spacing marks, surrogates of other letters. */
export const WORD = 1 << 16;
/** A character that is a word by itself: Han, kana, bopomofo, Thai, Lao, Myanmar, Khmer. */
export const SINGLE = 2 << 16;
export const DIGIT = 3 << 16;
/** Accents and invisible characters: as if they were not there. */
export const DROPPED = 4 << 16;
/** Lead surrogate of U+E0000 to U+E03FF (tags, ideographic variation selectors): dropped with its trail. */
export const DROPPED_LEAD = 5 << 16;
/** Lead surrogate of U+20000 to U+3FFFF, Han all of them. */
export const SINGLE_LEAD = 6 << 16;
/** Lead surrogate of pictographs, U+1F000 to U+1FBFF: a separator with its trail. */
export const SEPARATOR_LEAD = 7 << 16;

/** Blocks of scripts that are written without spaces between words. Hangul is not: Korean has them. */
const UNSPACED: readonly (readonly [number, number])[] = [
  [0x0e00, 0x0eff],
  [0x1000, 0x109f],
  [0x1780, 0x17ff],
  [0x3005, 0x3007],
  [0x3040, 0x318f],
  [0x31a0, 0x31ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xf900, 0xfaff],
  [0xff66, 0xff9f],
];
/**
 * Letters that count as themselves: Han and Hangul, to start faster (a syllable would decompose, and is the same as its
 * parts only after NFC); and those newer than Unicode 15, Node 20's, which a newer Node would lowercase.
 */
const PLAIN: readonly (readonly [number, number])[] = [
  [0x3400, 0x9fff],
  [0xac00, 0xd7ff],
  [0x1c89, 0x1c8a],
  [0xa7cb, 0xa7ff],
];

let table: Uint32Array | undefined;

/**
 * For every UTF-16 unit what it is and what it counts as: lower case, without accents (NFD minus Mn), any number as 0,
 * all that is neither letter, mark nor number a separator. The classes come from tables of our own and the mappings are
 * frozen by Unicode's stability policy, so signatures are the same under every version of Node. Outside the BMP letters
 * stand for themselves, and pictographs (U+1F000 to U+1FBFF) separate. Made at the first call, 5 ms.
 */
export function foldTable(): Uint32Array {
  table ??= makeTable();
  return table;
}

function makeTable(): Uint32Array {
  const fold = new Uint32Array(0x10000);
  const dropped = marks(DROPPED_MARKS);
  const spacing = marks(SPACING_MARKS);
  const unspaced = setOf(UNSPACED);
  const plain = setOf(PLAIN);
  for (let code = 0; code < 0x10000; code++) {
    const kind = CLASSES[code];
    if (dropped[code] === 1) fold[code] = DROPPED;
    else if (kind === NUMBER) fold[code] = DIGIT | 0x30;
    else if (kind === LETTER || spacing[code] === 1) {
      const kindOfWord = unspaced[code] === 1 ? SINGLE : WORD;
      fold[code] = kindOfWord | (plain[code] === 1 ? code : baseOf(code, dropped));
    }
  }
  // Surrogates: letters and digits of the other planes are parts of words.
  for (let code = 0xd800; code < 0xe000; code++) fold[code] = WORD | code;
  for (let code = 0xd840; code < 0xd8c0; code++) fold[code] = SINGLE_LEAD | code;
  for (let code = 0xd83c; code < 0xd83f; code++) fold[code] = SEPARATOR_LEAD | code;
  fold[0xdb40] = DROPPED_LEAD;
  return fold;
}

/** The character in lower case without accents, when that is one character; otherwise the character itself. */
function baseOf(code: number, dropped: Uint8Array): number {
  // A final sigma is a sigma.
  if (code === 0x3c2) return 0x3c3;
  const decomposed = String.fromCharCode(code).toLowerCase().normalize('NFD');
  let base = 0;
  for (let i = 0; i < decomposed.length; i++) {
    const unit = decomposed.charCodeAt(i);
    if (dropped[unit] === 1) continue;
    if (base !== 0) return code;
    base = unit;
  }
  return base === 0 ? code : base;
}

function setOf(ranges: readonly (readonly [number, number])[]): Uint8Array {
  const set = new Uint8Array(0x10000);
  for (const [first, last] of ranges) set.fill(1, first, last + 1);
  return set;
}

/** Expands pairs of gap and length in base 36. */
function marks(ranges: string): Uint8Array {
  const set = new Uint8Array(0x10000);
  const numbers = ranges.split(' ').map((item) => Number.parseInt(item, 36));
  let at = 0;
  for (let i = 0; i < numbers.length; i += 2) {
    const start = at + numbers[i]!;
    at = start + numbers[i + 1]!;
    set.fill(1, start, at);
  }
  return set;
}
