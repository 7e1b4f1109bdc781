import { CLASSES, classAt, isPair, LETTER, NEWLINE, NUMBER, OTHER, runEnd, SPACE } from './unicode.ts';

/** Finds the end of the word that starts at units[i], i < end. Never returns i. */
export type Scanner = (units: Uint16Array, i: number, end: number) => number;

/** GPT-2's split pattern, as the ByteLevel pre-tokenizer applies it. */
export const GPT2_PATTERN = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;
/** Llama 3's: contractions in any case, numbers by three digits, newlines kept together. */
export const LLAMA3_PATTERN = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
/** Qwen 2's: Llama 3's with numbers digit by digit. */
export const QWEN2_PATTERN = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

/** GPT-4's, which takes the same words as Llama 3's. */
export const CL100K_PATTERN = String.raw`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`;

/**
 * The patterns, written out by hand: several times faster than the regular expressions, and their `\s` is
 * Unicode's white space (JavaScript's has U+FEFF and lacks U+0085).
 */
export function scannerFor(pattern: string): Scanner | undefined {
  if (pattern === GPT2_PATTERN) return scanGpt2;
  if (pattern === LLAMA3_PATTERN || pattern === CL100K_PATTERN) return scanLlama3;
  if (pattern === QWEN2_PATTERN) return scanQwen2;
  return undefined;
}

const APOSTROPHE = 0x27;
const BLANK = 0x20;

export const scanGpt2: Scanner = (units, i, end) => {
  const code = units[i]!;
  if (code === APOSTROPHE) {
    const length = contraction(i + 1 < end ? units[i + 1]! : 0, i + 2 < end ? units[i + 2]! : 0);
    if (length > 0) return i + length;
  }
  const first = code === BLANK && i + 1 < end ? i + 1 : i;
  const kind = classAt(units, first, end);
  if (kind < SPACE) return runEnd(units, first, end, kind);
  return spaceEnd(units, i, end);
};

const scanLlama3: Scanner = (units, i, end) => scanFolded(units, i, end, 3);
const scanQwen2: Scanner = (units, i, end) => scanFolded(units, i, end, 1);

/** GPT-2's pattern in the pieces between digits, which stand alone (SmolLM). */
export const scanDigitsGpt2: Scanner = (units, i, end) => {
  if (classAt(units, i, end) === NUMBER) return i + (isPair(units, i, end) ? 2 : 1);
  const wordEnd = scanGpt2(units, i, end);
  // White space before a digit ends a piece, so none of it is left for a next word; nor does a blank lead the digit.
  let spaceEnd = i;
  while (spaceEnd < end && isSpace(units[spaceEnd]!)) spaceEnd++;
  const beforeDigit = spaceEnd > i && spaceEnd < end && classAt(units, spaceEnd, end) === NUMBER;
  return beforeDigit ? spaceEnd : wordEnd;
};

/** The patterns where any character but a letter, a number or a newline may lead a word of letters. */
export const MARKS_LEAD: ReadonlySet<Scanner> = new Set([scanLlama3, scanQwen2]);

/** Llama 3's and Qwen 2's patterns, which take contractions in any case. */
function scanFolded(units: Uint16Array, i: number, end: number, maxDigits: number): number {
  const code = units[i]!;
  if (code === APOSTROPHE) {
    const length = contraction(lower(i + 1 < end ? units[i + 1]! : 0), lower(i + 2 < end ? units[i + 2]! : 0));
    if (length > 0) return i + length;
  }
  const kind = classAt(units, i, end);
  if (kind === LETTER) return runEnd(units, i, end, LETTER);
  const next = isPair(units, i, end) ? i + 2 : i + 1;
  if (kind === NUMBER) return numberEnd(units, next, end, maxDigits);
  // One character that is neither newline, letter nor number may lead a word: ' the', '(the', '\tthe'.
  if (kind !== NEWLINE && next < end && classAt(units, next, end) === LETTER) return runEnd(units, next, end, LETTER);
  const first = code === BLANK ? next : i;
  if (first < end && classAt(units, first, end) === OTHER) {
    return runEnd(units, runEnd(units, first, end, OTHER), end, NEWLINE);
  }
  const newline = lastNewlineEnd(units, i, end);
  return newline > i ? newline : spaceEnd(units, i, end);
}

/** Length of 's, 't, 'm, 'd, 're, 've, 'll with its apostrophe; 0 when it is none of them. */
function contraction(a: number, b: number): number {
  if (a === 0x73 || a === 0x74 || a === 0x6d || a === 0x64) return 2;
  if ((a === 0x72 || a === 0x76) && b === 0x65) return 3;
  return a === 0x6c && b === 0x6c ? 3 : 0;
}

/** Lower case for the letters of contractions. U+017F folds to s, so HF's (?i:'s) takes it. */
function lower(code: number): number {
  if (code >= 0x41 && code <= 0x5a) return code + 0x20;
  return code === 0x17f ? 0x73 : code;
}

function numberEnd(units: Uint16Array, i: number, end: number, maxDigits: number): number {
  for (let digits = 1; digits < maxDigits && i < end && classAt(units, i, end) === NUMBER; digits++) {
    i += isPair(units, i, end) ? 2 : 1;
  }
  return i;
}

function isSpace(unit: number): boolean {
  // All white space is in the basic plane, one unit each.
  return CLASSES[unit]! >= SPACE;
}

/** `\s*[\r\n]+`: up to the last newline of the white space at i; i when it holds none. */
function lastNewlineEnd(units: Uint16Array, i: number, end: number): number {
  let last = i;
  for (; i < end && isSpace(units[i]!); i++) if (CLASSES[units[i]!] === NEWLINE) last = i + 1;
  return last;
}

/** `\s+(?!\S)|\s+`: the white space at i without its last character, unless it ends the text or is one character. */
function spaceEnd(units: Uint16Array, i: number, end: number): number {
  let j = i + 1;
  while (j < end && isSpace(units[j]!)) j++;
  return j < end && j - i > 1 ? j - 1 : j;
}
