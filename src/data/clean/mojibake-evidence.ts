import { byteOf } from './cp1252.ts';

/**
 * A UTF-8 sequence written in characters: its code point × 8 + its length, or 0 where there is none. One number, since
 * a damaged row can hold a million of them.
 */
export type Sequence = number;

const BYTE_ORDER_MARK = 0xfeff;

export const lengthOf = (sequence: Sequence): number => sequence & 7;
export const codePointOf = (sequence: Sequence): number => sequence >>> 3;

/** The well-formed UTF-8 sequence of two to four bytes that the characters at `at` spell in Windows-1252 or Latin-1. */
export function sequenceAt(text: string, at: number): Sequence {
  const lead = at < text.length ? byteOf(text.charCodeAt(at)) : 0;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (at + length > text.length) return 0;
  let code = lead & (0xff >> (length + 1));
  for (let i = 1; i < length; i++) {
    const byte = byteOf(text.charCodeAt(at + i));
    if (byte < 0x80 || byte > 0xbf) return 0;
    code = (code << 6) | (byte & 0x3f);
  }
  const overlong = length === 3 ? code < 0x800 : length === 4 && code < 0x10000;
  if (overlong || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return 0;
  return code * 8 + length;
}

/**
 * Bytes that correct text has behind an accented letter as well: quotes, dashes, dots, no-break and soft hyphens, signs
 * such as ™ ® °, superscripts, and the letters Š Œ Ž š œ ž. The others (€ ¢ ¤ ¦ ¨ ¸ ¼ Ÿ ƒ ˜ ...) do not stand there.
 */
const HARMLESS = new Uint8Array(256);
for (const byte of [0x82, 0x84, 0x85, 0x86, 0x87, 0x8a, 0x8b, 0x8c, 0x8e]) HARMLESS[byte] = 1;
for (const byte of [0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x99, 0x9a, 0x9b, 0x9c, 0x9e]) HARMLESS[byte] = 1;
for (const byte of [0xa0, 0xa1, 0xa7, 0xa9, 0xaa, 0xab, 0xad, 0xae]) HARMLESS[byte] = 1;
for (const byte of [0xb0, 0xb2, 0xb3, 0xb4, 0xb6, 0xb7, 0xb9, 0xba, 0xbb, 0xbf]) HARMLESS[byte] = 1;

/** ± ¼ ½ ¾ stand between an angstrom or diameter sign and a number. */
const isMeasure = (byte: number) => byte === 0xb1 || (byte >= 0xbc && byte <= 0xbe);
const isDigit = (unit: number) => unit >= 48 && unit <= 57;
const isUpper = (unit: number) => (unit >= 65 && unit <= 90) || (unit >= 0xc0 && unit <= 0xde && unit !== 0xd7);
const isLower = (unit: number) => (unit >= 97 && unit <= 122) || (unit >= 0xdf && unit <= 0xff && unit !== 0xf7);
/** “ „ ‘ ‚ « ‹ " ' ( and their bytes as C1 controls. */
const OPENING = new Set([0x201c, 0x201e, 0x2018, 0x201a, 0xab, 0x2039, 0x22, 0x27, 0x28, 0x93, 0x84, 0x91, 0x82, 0x8b]);

/** Scripts whose neighbourhood is telling; 0 for what hardly occurs. Han, kana, Hangul and their punctuation are one. */
function scriptOf(code: number): number {
  if (code < 0xc0) return 1;
  if (code < 0x250 || (code >= 0x1e00 && code < 0x1f00)) return 2;
  if (code >= 0x300 && code < 0x370) return 3;
  if (code >= 0x370 && code < 0x400) return 4;
  if (code >= 0x400 && code < 0x530) return 5;
  if (code >= 0x530 && code < 0x590) return 6;
  if (code >= 0x590 && code < 0x600) return 7;
  if (code >= 0x600 && code < 0x700) return 8;
  if (code >= 0x900 && code < 0xe00) return 9;
  if (code >= 0xe00 && code < 0x1000) return 10;
  if (code >= 0x1000 && code < 0x10a0) return 15;
  if (code >= 0x10a0 && code < 0x1100) return 11;
  if (code >= 0x1200 && code < 0x13a0) return 16;
  if (code >= 0x1780 && code < 0x1800) return 17;
  if (code >= 0x2000 && code < 0x2c00) return 12;
  if (code >= 0x3000 && code < 0xa000) return 13;
  if ((code >= 0xac00 && code < 0xd7a4) || (code >= 0xff00 && code < 0xfff0)) return 13;
  return code >= 0x1f000 && code < 0x1fb00 ? 14 : 0;
}

/** True when correct text would hardly ever have these characters side by side. */
export function isBeyondDoubt(text: string, at: number, sequence: Sequence, before: Sequence): boolean {
  const length = lengthOf(sequence);
  const code = codePointOf(sequence);
  if (code === BYTE_ORDER_MARK) return true;
  if (scriptOf(code) === 0) return false;
  const lead = byteOf(text.charCodeAt(at));
  const second = byteOf(text.charCodeAt(at + 1));
  if (length === 4 && lead === 0xf0 && second === 0x9f) return true;
  if (hasKin(text, at, sequence, before)) return true;
  if (length === 2) return isTellingPair(text, at, lead, second);
  // â is at the end of hardly any word: behind it ‚ „ † are the second byte of ₂ € ™ →.
  if (lead === 0xe2 && (second === 0x82 || second === 0x84 || second === 0x86)) return true;
  return length === 3 && HARMLESS[second] === 0;
}

/** À to ß and one character: the letter's case, and what is around them, tell. */
function isTellingPair(text: string, at: number, lead: number, second: number): boolean {
  const previous = at === 0 ? 0 : text.charCodeAt(at - 1);
  const next = at + 2 < text.length ? text.charCodeAt(at + 2) : 0;
  const harmless = HARMLESS[second] === 1;
  // Â and Ã begin words or stand in capitals; “Ã” and AMANHÃ” may be meant.
  if (lead <= 0xc3) return !(harmless && (isUpper(previous) || OPENING.has(previous)));
  if (isMeasure(second) && (isDigit(previous) || isDigit(next) || previous === 0x20)) return false;
  if (lead === 0xd7) return false;
  const capitalInside = isLower(previous) && lead !== 0xdf;
  if (capitalInside && (!harmless || isLower(next))) return true;
  return !harmless && (lead === 0xc4 || lead === 0xc5 || (lead >= 0xce && lead <= 0xd1));
}

/** A sequence of the same script right before or behind: two such accidents in a row do not happen, but É–È– might. */
function hasKin(text: string, at: number, sequence: Sequence, before: Sequence): boolean {
  const script = scriptOf(codePointOf(sequence));
  if (script === 1) return false;
  const length = lengthOf(sequence);
  const last = text.charCodeAt(at + length - 1);
  const after = sequenceAt(text, at + length);
  if (after !== 0 && scriptOf(codePointOf(after)) === script) {
    if (HARMLESS[byteOf(last)] === 0 || last !== text.charCodeAt(at + length + lengthOf(after) - 1)) return true;
  }
  if (before === 0 || scriptOf(codePointOf(before)) !== script) return false;
  return HARMLESS[byteOf(last)] === 0 || last !== text.charCodeAt(at - 1);
}
