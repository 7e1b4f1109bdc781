import { CLASSES, LETTER, NEWLINE, NUMBER, OTHER, SPACE } from './unicode.ts';

/** Finds the end of the word that starts at bytes[i], i < end, in well-formed UTF-8. Never returns i. */
export type ByteScanner = (bytes: Uint8Array, i: number, end: number) => number;

const APOSTROPHE = 0x27;
const BLANK = 0x20;

/** GPT-2's split pattern on UTF-8; scan.ts has the pattern, and the same on UTF-16. */
export const scanGpt2Utf8: ByteScanner = (bytes, i, end) => {
  const code = bytes[i]!;
  if (code === APOSTROPHE) {
    const length = contraction(i + 1 < end ? bytes[i + 1]! : 0, i + 2 < end ? bytes[i + 2]! : 0);
    if (length > 0) return i + length;
  }
  const first = code === BLANK && i + 1 < end ? i + 1 : i;
  const kind = classAt(bytes, first);
  if (kind < SPACE) return runEnd(bytes, first, end, kind);
  return spaceEnd(bytes, i, end);
};

/** Llama 3's pattern with numbers of up to `maxDigits` digits: 3, or 1 for Qwen 2's. */
export function scanLlama3Utf8(bytes: Uint8Array, i: number, end: number, maxDigits: number): number {
  const code = bytes[i]!;
  if (code === APOSTROPHE) {
    const length = anyCaseContraction(bytes, i + 1, end);
    if (length > 0) return i + length;
  }
  const kind = classAt(bytes, i);
  if (kind === LETTER) return runEnd(bytes, i, end, LETTER);
  const next = i + width(code);
  if (kind === NUMBER) return numberEnd(bytes, next, end, maxDigits);
  // One character that is neither newline, letter nor number may lead a word: ' the', '(the', '\tthe'.
  if (kind !== NEWLINE && next < end && classAt(bytes, next) === LETTER) return runEnd(bytes, next, end, LETTER);
  const first = code === BLANK ? next : i;
  if (first < end && classAt(bytes, first) === OTHER) {
    return runEnd(bytes, runEnd(bytes, first, end, OTHER), end, NEWLINE);
  }
  const newline = lastNewlineEnd(bytes, i, end);
  return newline > i ? newline : spaceEnd(bytes, i, end);
}

/** Length of 's, 't, 'm, 'd, 're, 've, 'll with its apostrophe; 0 when it is none of them. */
function contraction(a: number, b: number): number {
  if (a === 0x73 || a === 0x74 || a === 0x6d || a === 0x64) return 2;
  if ((a === 0x72 || a === 0x76) && b === 0x65) return 3;
  return a === 0x6c && b === 0x6c ? 3 : 0;
}

/** The same in any case. U+017F (c5 bf) folds to s, so HF's (?i:'s) takes it. */
function anyCaseContraction(bytes: Uint8Array, i: number, end: number): number {
  if (i + 1 < end && bytes[i] === 0xc5 && bytes[i + 1] === 0xbf) return 3;
  return contraction(i < end ? lower(bytes[i]!) : 0, i + 1 < end ? lower(bytes[i + 1]!) : 0);
}

function lower(code: number): number {
  return code >= 0x41 && code <= 0x5a ? code + 0x20 : code;
}

function numberEnd(bytes: Uint8Array, i: number, end: number, maxDigits: number): number {
  for (let digits = 1; digits < maxDigits && i < end && classAt(bytes, i) === NUMBER; digits++) i += width(bytes[i]!);
  return i;
}

/** Bytes of the character that starts with this one. */
function width(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead < 0xe0) return 2;
  return lead < 0xf0 ? 3 : 4;
}

function classAt(bytes: Uint8Array, i: number): number {
  const lead = bytes[i]!;
  if (lead < 0x80) return CLASSES[lead]!;
  if (lead < 0xe0) return CLASSES[((lead & 0x1f) << 6) | (bytes[i + 1]! & 0x3f)]!;
  const middle = ((bytes[i + 1]! & 0x3f) << 6) | (bytes[i + 2]! & 0x3f);
  if (lead < 0xf0) return CLASSES[((lead & 0x0f) << 12) | middle]!;
  const point = ((lead & 0x07) << 18) | (middle << 6) | (bytes[i + 3]! & 0x3f);
  return point < CLASSES.length ? CLASSES[point]! : OTHER;
}

/** End of the run of characters of one class that starts at i; i itself when there is none. */
function runEnd(bytes: Uint8Array, i: number, end: number, wanted: number): number {
  while (i < end) {
    const lead = bytes[i]!;
    if (lead < 0x80) {
      if (CLASSES[lead] !== wanted) return i;
      i++;
    } else {
      if (classAt(bytes, i) !== wanted) return i;
      i += width(lead);
    }
  }
  return i;
}

/** `\s*[\r\n]+`: up to the last newline of the white space at i; i when it holds none. */
function lastNewlineEnd(bytes: Uint8Array, i: number, end: number): number {
  let last = i;
  for (; i < end; i += width(bytes[i]!)) {
    const kind = classAt(bytes, i);
    if (kind < SPACE) break;
    if (kind === NEWLINE) last = i + 1;
  }
  return last;
}

/** `\s+(?!\S)|\s+`: the white space at i without its last character, unless it ends the text or is one character. */
function spaceEnd(bytes: Uint8Array, i: number, end: number): number {
  let last = i;
  let j = i + width(bytes[i]!);
  while (j < end && classAt(bytes, j) >= SPACE) {
    last = j;
    j += width(bytes[j]!);
  }
  return j < end && last > i ? last : j;
}
