import type { PrepareConfig } from '../../config/index.ts';
import type { Drop } from '../row-step.ts';
import { countOf, splitLines } from './lines.ts';
import { HAN_PER_WORD, type TextView } from './text-view.ts';
import { HAN_WORD, HAS_LETTER, PLAIN } from './vocabulary.ts';

export type GopherQualityConfig = Exclude<PrepareConfig['filters']['gopher_quality'], false>;

const BULLETS = new Set('•-');
const BULLETS_ZH = new Set('•-·●○■□◆◇▪－—');
const ELLIPSIS_ENDS = ['...', '…'];
const ELLIPSIS_ENDS_ZH = [...ELLIPSIS_ENDS, '。。。'];
/** In Chinese an ellipsis is two … in a row; it counts as one, as six full stops do. */
const ELLIPSES_ZH = /…+|\.{3,}|。{3,}/g;

/** What the rules ask of a text's words. */
interface Counts {
  /** All, marks included. */
  words: number;
  /** Words that are not symbols only, and their code points. */
  plain: number;
  characters: number;
  withLetter: number;
  stopWords: number;
}

/**
 * Gopher's quality rules (Rae et al., 2021, table A1) as datatrove applies them: words are counted without marks, but
 * the ratios of symbols and of words with a letter are to all words with marks.
 *
 * Chinese text: words are Han characters / 1.6 beside the words of other scripts; there is no rule on their length,
 * for a character has none; of the ratio of words with a letter, marks are not part, since Gopher's words hold
 * theirs and Chinese sentences have more of them than words with digits; bullets and ellipses are also full-width.
 */
export function judgeQuality(view: TextView, config: GopherQualityConfig): Drop | undefined {
  const counts = countWords(view);
  return (
    judgeWords(counts, config, view.chinese) ??
    judgeSymbols(view, counts, config) ??
    judgeLines(view, config) ??
    judgeLetters(counts, config, view.chinese)
  );
}

function countWords(view: TextView): Counts {
  const { words, vocabulary, chinese, wordCount } = view;
  const { bits, lengths, stopBits } = vocabulary;
  let [plain, characters, withLetter, stops, han] = [0, 0, 0, 0, 0];
  for (let i = 0; i < words.count; i++) {
    const id = words.ids[i]!;
    const word = bits[id]!;
    stops |= stopBits[id]!;
    if ((word & HAN_WORD) !== 0) han++;
    if ((word & HAS_LETTER) !== 0) withLetter++;
    if ((word & PLAIN) === 0) continue;
    plain++;
    characters += lengths[id]!;
  }
  let stopWords = 0;
  for (; stops !== 0; stops &= stops - 1) stopWords++;
  if (!chinese) return { words: wordCount, plain, characters, withLetter, stopWords };
  const fewer = han - han / HAN_PER_WORD;
  return { words: wordCount, plain: plain - fewer, characters, withLetter: withLetter - fewer, stopWords };
}

function judgeWords(counts: Counts, config: GopherQualityConfig, chinese: boolean): Drop | undefined {
  const { plain, characters } = counts;
  const few =
    below('min_doc_words', plain, config.min_doc_words) ?? above('max_doc_words', plain, config.max_doc_words);
  if (few !== undefined || chinese || plain === 0) return few;
  const length = characters / plain;
  return (
    below('min_avg_word_length', length, config.min_avg_word_length) ??
    above('max_avg_word_length', length, config.max_avg_word_length)
  );
}

function judgeSymbols(view: TextView, counts: Counts, config: GopherQualityConfig): Drop | undefined {
  const { text, chinese } = view;
  const words = Math.max(1, counts.words);
  const hashes = countOf(text, '#') / words;
  const ellipses = chinese ? (text.match(ELLIPSES_ZH)?.length ?? 0) : countOf(text, '...') + countOf(text, '…');
  return (
    above('max_symbol_word_ratio', hashes, config.max_symbol_word_ratio) ??
    above('max_symbol_word_ratio', ellipses / words, config.max_symbol_word_ratio)
  );
}

function judgeLines(view: TextView, config: GopherQualityConfig): Drop | undefined {
  const lines = splitLines(view.text);
  const bullet = view.chinese ? BULLETS_ZH : BULLETS;
  const ends = view.chinese ? ELLIPSIS_ENDS_ZH : ELLIPSIS_ENDS;
  let bullets = 0;
  let ellipses = 0;
  for (const line of lines) {
    if (bullet.has(line.trimStart().charAt(0))) bullets++;
    const trimmed = line.trimEnd();
    if (ends.some((end) => trimmed.endsWith(end))) ellipses++;
  }
  const all = Math.max(1, lines.length);
  return (
    above('max_bullet_lines_ratio', bullets / all, config.max_bullet_lines_ratio) ??
    above('max_ellipsis_lines_ratio', ellipses / all, config.max_ellipsis_lines_ratio)
  );
}

function judgeLetters(counts: Counts, config: GopherQualityConfig, chinese: boolean): Drop | undefined {
  const all = Math.max(1, chinese ? counts.plain : counts.words);
  return (
    below('min_alpha_words_ratio', counts.withLetter / all, config.min_alpha_words_ratio) ??
    below('min_stop_words', counts.stopWords, config.min_stop_words)
  );
}

function below(rule: keyof GopherQualityConfig, value: number, limit: number): Drop | undefined {
  return value < limit ? { rule: `filters.gopher_quality.${rule}`, value, limit } : undefined;
}

function above(rule: keyof GopherQualityConfig, value: number, limit: number): Drop | undefined {
  return value > limit ? { rule: `filters.gopher_quality.${rule}`, value, limit } : undefined;
}
