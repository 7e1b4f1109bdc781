import { ALONE, unitClasses } from './characters.ts';
import { grown } from './vocabulary.ts';

const SKIP = 0;
const SPACE = 32;
const DIGIT = 48;
const UNITS = 0x10000;
const HANGUL = /[\uac00-\ud7a3]/;

let plainUnits: Uint16Array | undefined;

/** What becomes of each UTF-16 unit: nothing (accents, zero-width marks), a space, the digit 0, or a plain small letter. */
function plainTable(): Uint16Array {
  plainUnits ??= Uint16Array.from({ length: UNITS }, (_, unit) => {
    const character = String.fromCharCode(unit);
    if (HANGUL.test(character)) return unit;
    if (/[\p{Mn}\p{Cf}]/u.test(character)) return SKIP;
    const plain = character.normalize('NFKD').toLowerCase();
    if (/^\p{Nd}/u.test(plain)) return DIGIT;
    return /^[\p{L}\p{N}\p{M}]/u.test(plain) ? plain.charCodeAt(0) : SPACE;
  });
  return plainUnits;
}

/**
 * The words of a text as they are compared with another's: small letters without accents, every number (with its
 * decimal point and thousands) and every row of numbers 0, so that a calculation is one word; punctuation parts words. Han characters and kana are words by themselves.
 */
export class PlainWords {
  count = 0;
  /** How many of them are Han characters or kana. */
  alone = 0;
  /** Of each word: a hash, where it is in the text, and where its units end in `units`; it begins where the last ended. */
  hashes = new Int32Array(1024);
  from = new Int32Array(1024);
  to = new Int32Array(1024);
  ends = new Int32Array(1024);
  /** 1 for a word with a letter, 0 for a number. */
  letters = new Int32Array(1024);
  units = new Uint16Array(8192);
  #text = new Uint16Array(8192);

  read(text: string): void {
    if (text.length > this.#text.length) this.#text = new Uint16Array(2 * text.length);
    if (text.length > this.units.length) this.units = new Uint16Array(2 * text.length);
    const from = this.#text;
    Buffer.from(from.buffer, 0, 2 * text.length).write(text, 'utf16le');
    const table = plainTable();
    const classes = unitClasses();
    const { units } = this;
    const length = text.length;
    this.count = 0;
    this.alone = 0;
    let written = 0;
    let at = 0;
    while (at < length) {
      const first = table[from[at]!]!;
      if (first === SPACE || first === SKIP) {
        at++;
        continue;
      }
      const start = at;
      let hash = 0;
      let letters = 0;
      if ((classes[from[at]!]! & ALONE) !== 0) {
        units[written++] = first;
        hash = first;
        letters = 1;
        this.alone++;
        at++;
      } else {
        let last = SPACE;
        for (; at < length; at++) {
          const plain = table[from[at]!]!;
          if (plain === SKIP) continue;
          if (plain === SPACE) {
            // 1,000.50 is one number.
            const inside = last === DIGIT && (from[at] === 44 || from[at] === 46);
            if (!inside || at + 1 >= length || table[from[at + 1]!] !== DIGIT) break;
            continue;
          }
          if (plain === DIGIT && last === DIGIT) continue;
          if (plain !== DIGIT) {
            if ((classes[from[at]!]! & ALONE) !== 0) break;
            letters = 1;
          }
          last = plain;
          units[written++] = plain;
          hash = Math.imul(hash ^ plain, 0x9e3779b1);
        }
      }
      if (letters === 0 && this.count > 0 && this.letters[this.count - 1] === 0) {
        this.to[this.count - 1] = at;
        written = this.ends[this.count - 1]!;
      } else this.#add(hash ^ (hash >>> 15), start, at, written, letters);
    }
  }

  #add(hash: number, from: number, to: number, end: number, letters: number): void {
    const at = this.count++;
    if (at === this.hashes.length) {
      this.hashes = grown(this.hashes, this.count);
      this.from = grown(this.from, this.count);
      this.to = grown(this.to, this.count);
      this.ends = grown(this.ends, this.count);
      this.letters = grown(this.letters, this.count);
    }
    this.hashes[at] = hash;
    this.from[at] = from;
    this.to[at] = to;
    this.ends[at] = end;
    this.letters[at] = letters;
  }
}
