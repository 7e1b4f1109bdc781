import { ALONE, HAN, OTHER_LETTER, SPACE, unitClasses } from './characters.ts';
import { HAN_WORD, Vocabulary, WordList } from './vocabulary.ts';

export type FilterLanguage = 'auto' | 'en' | 'zh';

/**
 * Han characters in a Chinese word: 1.61 in 1.5 MB of technical prose as `Intl.Segmenter` cuts it. That cutting does
 * 4 MB/s and is all a filter would do, so words of Chinese text are counted as characters over this mean, and an
 * n-gram of n words is one of `n * HAN_PER_WORD` characters.
 */
export const HAN_PER_WORD = 1.6;

/** `auto` takes a Han character for as much text as three letters (as UTF-8 does, and it is half a word to a word). */
const LETTERS_PER_HAN = 3;

/** No Han character and no surrogate is below. */
const FIRST_HAN = 0x2e80;

/** Gopher's eight, as they are written in running text. */
const STOP_WORDS_EN = ['the', 'be', 'to', 'of', 'and', 'that', 'have', 'with'].map((word) => [word]);
/** Eight that hardly any page of Chinese prose is without; each is one character, so that no cutting is needed. */
const STOP_WORDS_ZH = [['的'], ['了'], ['是'], ['在'], ['和', '与', '與'], ['有'], ['不'], ['这', '這']];

/** A text as the filters look at it; good until the next `read`. */
export interface TextView {
  readonly text: string;
  readonly chinese: boolean;
  /** Length in code points: what ratios of characters are of. */
  readonly codePoints: number;
  /** Words and marks by number. Of Chinese text: each Han character, kana and full-width mark, and what is between. */
  readonly words: WordList;
  readonly vocabulary: Vocabulary;
  /** How many words: of Chinese text, Han characters / 1.6 and every other word. */
  readonly wordCount: number;
}

/** Reads texts into words. The last one is kept, since several filters look at the same text one after another. */
export class TextReader {
  readonly #language: FilterLanguage;
  readonly #english = new Vocabulary(STOP_WORDS_EN);
  readonly #chinese = new Vocabulary(STOP_WORDS_ZH);
  /** Word ids of single units in #chinese, or -1. */
  readonly #idOfUnit = new Int32Array(0x10000).fill(-1);
  #units = new Uint16Array(1 << 14);
  #last: TextView | undefined;
  readonly #words = new WordList();

  constructor(language: FilterLanguage) {
    this.#language = language;
  }

  read(text: string): TextView {
    if (this.#last?.text === text) return this.#last;
    const { han, others, pairs } = this.#load(text);
    const chinese = this.#language === 'auto' ? han > 0 && LETTERS_PER_HAN * han > others : this.#language === 'zh';
    const vocabulary = chinese ? this.#chinese : this.#english;
    this.#words.count = 0;
    if (vocabulary.begin() && chinese) this.#idOfUnit.fill(-1);
    if (chinese) this.#cutChinese(text.length);
    else this.#cut(text.length);
    const words = this.#words;
    const wordCount = chinese ? chineseWordCount(words, vocabulary) : words.count;
    this.#last = { text, chinese, codePoints: text.length - pairs, words, vocabulary, wordCount };
    return this.#last;
  }

  /** Copies the text into #units (a typed array is read faster than a string) and counts its scripts. */
  #load(text: string): { han: number; others: number; pairs: number } {
    if (text.length > this.#units.length) this.#units = new Uint16Array(2 * text.length);
    const units = this.#units;
    Buffer.from(units.buffer, 0, 2 * text.length).write(text, 'utf16le');
    let [han, others, pairs, beyond] = [0, 0, 0, 0];
    for (let i = 0; i < text.length; i++) if (units[i]! >= FIRST_HAN) beyond++;
    if (beyond === 0) return { han, others, pairs };
    const classes = unitClasses();
    for (let i = 0; i < text.length; i++) {
      const unit = units[i]!;
      if (unit >= 0xdc00 && unit < 0xe000) pairs++;
      const bits = classes[unit]!;
      if ((bits & OTHER_LETTER) !== 0) others++;
      else if ((bits & HAN) !== 0) han++;
    }
    return { han, others, pairs };
  }

  /** Words between white space. */
  #cut(length: number): void {
    const units = this.#units;
    const classes = unitClasses();
    const words = this.#words;
    const vocabulary = this.#english;
    let start = 0;
    let hash = 0;
    for (let i = 0; i < length; i++) {
      const unit = units[i]!;
      if ((classes[unit]! & SPACE) === 0) {
        hash = Math.imul(hash ^ unit, 0x9e3779b1);
        continue;
      }
      if (i > start) vocabulary.addChunk(units, start, i, hash, words);
      start = i + 1;
      hash = 0;
    }
    if (length > start) vocabulary.addChunk(units, start, length, hash, words);
  }

  /** As #cut, with every Han character, kana and full-width mark a word. */
  #cutChinese(length: number): void {
    const units = this.#units;
    const classes = unitClasses();
    const words = this.#words;
    const vocabulary = this.#chinese;
    let start = 0;
    let hash = 0;
    for (let i = 0; i < length; i++) {
      const unit = units[i]!;
      const bits = classes[unit]!;
      if ((bits & (SPACE | ALONE)) === 0) {
        hash = Math.imul(hash ^ unit, 0x9e3779b1);
        continue;
      }
      if (i > start) vocabulary.addChunk(units, start, i, hash, words);
      start = i + 1;
      hash = 0;
      if ((bits & ALONE) === 0) continue;
      let id = this.#idOfUnit[unit]!;
      if (id < 0) {
        id = vocabulary.id(String.fromCharCode(unit));
        this.#idOfUnit[unit] = id;
      }
      words.push(id);
    }
    if (length > start) vocabulary.addChunk(units, start, length, hash, words);
  }
}

function chineseWordCount(words: WordList, vocabulary: Vocabulary): number {
  const { bits } = vocabulary;
  let han = 0;
  for (let i = 0; i < words.count; i++) if ((bits[words.ids[i]!]! & HAN_WORD) !== 0) han++;
  return han / HAN_PER_WORD + (words.count - han);
}
