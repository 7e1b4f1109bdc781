import type { PrepareConfig } from '../../config/index.ts';
import { removeBoilerplate } from './boilerplate.ts';
import { htmlToText, looksLikeHtml } from './html.ts';
import { mendMojibake } from './mojibake.ts';
import { tidyWhitespace } from './whitespace.ts';

export type CleanConfig = PrepareConfig['clean'];

/** What cleaning can change, in the order in which it is done; a bit of `TextCleaner.changes` each. */
export const CHANGES = [
  'mojibake mended',
  'markup removed',
  'unicode normalized',
  'control characters removed',
  'boilerplate lines removed',
  'whitespace tidied',
] as const;

const [MOJIBAKE, MARKUP, UNICODE, CONTROL_CHARS, BOILERPLATE, WHITESPACE] = [1, 2, 4, 8, 16, 32];

/**
 * Control characters (Unicode Cc) but tab, LF and CR; and the zero-width characters that carry no meaning: zero width
 * space, word joiner, byte-order mark. Joiners (U+200C, U+200D) stay: Persian, Indic scripts and emoji need them.
 */
const CONTROL = /(?![\t\n\r])[\p{Cc}\u200b\u2060\ufeff]/gu;

/** Characters that NFC leaves alone wherever they stand: below U+0300, punctuation, kana, Han, Hangul, full width. */
const STABLE_IN_NFC =
  '\\0-\\u02ff\\u2010-\\u2027\\u2030-\\u205e\\u3000-\\u3029\\u3030-\\u3096\\u30a0-\\u33ff\\u3400-\\u9fff\\uac00-\\ud7a3\\uff00-\\uffef';
const STABLE_IN_NFKC = '\\0-\\x7e\\u3001-\\u3003\\u3008-\\u3011\\u3041-\\u3096\\u30a1-\\u30fa\\u3400-\\u9fff';
const UNSTABLE = { nfc: new RegExp(`[^${STABLE_IN_NFC}]`), nfkc: new RegExp(`[^${STABLE_IN_NFKC}]`) };

/**
 * Anything that mojibake, normalization or control characters could be about. Texts without it, which is all ASCII and
 * nearly all Chinese, are done after one scan. The Han characters left out are the marks of UTF-8 read as GBK.
 */
const NOTABLE =
  /[^\t\n\x20-\x7e\xa0-\xbf\u2010-\u2027\u2030-\u205e\u3000-\u3029\u3030-\u3096\u30a0-\u33ff\u3400-\u4dbf\u4e00-\u6d92\u6d94-\u9285\u9287-\u93c3\u93c5-\u9427\u9429-\u951a\u951c-\u9fff\uac00-\ud7a3\uff00-\uffef]/;

/** Cleans texts; `changes` gathers what was done since it was last set to 0. */
export class TextCleaner {
  changes = 0;
  readonly #config: CleanConfig;
  readonly #unstable: RegExp | undefined;

  constructor(config: CleanConfig) {
    this.#config = config;
    this.#unstable = config.unicode === 'none' ? undefined : UNSTABLE[config.unicode];
  }

  /**
   * @param whole a text or turn of its own, whose edges are trimmed too; false for prompts and completions.
   * @param document it is a whole document: boilerplate may empty it.
   */
  clean(text: string, whole: boolean, document: boolean): string {
    const config = this.#config;
    let clean = text;
    const notable = NOTABLE.test(text);
    if (config.mojibake && notable) clean = this.#note(MOJIBAKE!, clean, mendMojibake(clean));
    if (config.html && looksLikeHtml(clean)) clean = this.#note(MARKUP!, clean, htmlToText(clean));
    // Markup may have held anything as &#...; so the scan of the raw text does not speak for it.
    const unusual = notable || clean !== text || config.unicode === 'nfkc';
    if (unusual && this.#unstable?.test(clean) === true) {
      clean = this.#note(UNICODE!, clean, clean.normalize(config.unicode === 'nfc' ? 'NFC' : 'NFKC'));
    }
    if (unusual && config.control_chars) clean = this.#note(CONTROL_CHARS!, clean, clean.replaceAll(CONTROL, ''));
    if (config.boilerplate && (document || clean.includes('\n'))) {
      const rest = removeBoilerplate(clean);
      if (document || rest !== '') clean = this.#note(BOILERPLATE!, clean, rest);
    }
    if (config.whitespace) clean = this.#note(WHITESPACE!, clean, tidyWhitespace(clean, whole));
    return clean;
  }

  #note(change: number, before: string, after: string): string {
    if (after !== before) this.changes |= change;
    return after;
  }
}
