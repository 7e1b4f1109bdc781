/** What the filters know of single characters. */

/** Bits of a UTF-16 unit in `unitClasses()`. */
export const SPACE = 1;
export const HAN = 2;
/** Stands for itself as a word of Chinese text: Han, kana, CJK and full-width punctuation. */
export const ALONE = 4;
/** A letter that is not Han. */
export const OTHER_LETTER = 8;

const UNITS = 0x10000;
const HIGH_SURROGATE = 0xd800;
const LOW_SURROGATE_END = 0xe000;

let classes: Uint8Array | undefined;

/** [65536] bits of every UTF-16 unit. Surrogates have none. */
export function unitClasses(): Uint8Array {
  classes ??= Uint8Array.from({ length: UNITS }, (_, unit) => {
    if (unit >= HIGH_SURROGATE && unit < LOW_SURROGATE_END) return 0;
    const character = String.fromCharCode(unit);
    if (isSpace(character)) return SPACE;
    if (/[\p{Script=Han}々〇]/u.test(character)) return HAN | ALONE;
    const alone =
      /[\p{Script=Hiragana}\p{Script=Katakana}\u3000-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]/u;
    return (alone.test(character) ? ALONE : 0) | (/\p{L}/u.test(character) ? OTHER_LETTER : 0);
  });
  return classes;
}

/** White space as Python's `str.isspace` has it: Unicode's, and the four separators of ASCII. */
function isSpace(character: string): boolean {
  return /\p{White_Space}/u.test(character) || (character >= '\x1c' && character <= '\x1f');
}

/** Characters that end a sentence in some script, as the FineWeb pipeline lists them: Unicode's property but for these. */
const ENDS_SENTENCE =
  /^(?![\u1b4e\u1b4f\u1b7f\u2024\u2cf9-\u2cfb\ufe12\ufe15\ufe16\u{113d4}\u{113d5}\u{16d6e}\u{16d6f}])[\p{STerm}\u17d6\u17d9\u17da]$/u;

/** ASCII and full-width marks that the Gopher rules of the FineWeb pipeline call symbols, beside controls. */
const SYMBOLS = new Set('!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~«´»–—’“”„…∶━►、〈〉《》「」【】％（），１：；～');

export function endsSentence(character: string): boolean {
  return ENDS_SENTENCE.test(character);
}

export function isSymbol(character: string): boolean {
  if (SYMBOLS.has(character)) return true;
  const code = character.codePointAt(0)!;
  return (code < 32 && code !== 9 && code !== 10) || (code >= 127 && code < 160) || endsSentence(character);
}

/** Unicode code points in a text, which is what the published thresholds count. */
export function codePoints(text: string): number {
  let pairs = 0;
  for (let i = 0; i < text.length; i++) if ((text.charCodeAt(i) & 0xfc00) === 0xdc00) pairs++;
  return text.length - pairs;
}
