import type { PrepareConfig } from '../../config/index.ts';
import type { Drop } from '../row-step.ts';
import { findDuplicates } from './lines.ts';
import { RepeatedNgrams } from './ngrams.ts';
import { HAN_PER_WORD, type TextView } from './text-view.ts';
import { grown } from './vocabulary.ts';

export type GopherRepetitionConfig = Exclude<PrepareConfig['filters']['gopher_repetition'], false>;

/**
 * Gopher's repetition rules (Rae et al., 2021, table A1) as datatrove applies them: paragraphs (parted by two newlines
 * or more), lines, then n-grams of words and marks; ratios of characters are to the whole text. The most frequent
 * n-gram counts with the spaces between its words, and the first one where none repeats. Repeated n-grams are found
 * from the start of the text on, and do not overlap.
 *
 * Chinese text: an n-gram has n * 1.6 characters, rounded, and no spaces between them.
 *
 * An n-gram here is its words. datatrove compares repeated ones (not the most frequent) with their words run together,
 * which is another thing only where two cuttings into n words spell the same letters.
 */
export class GopherRepetition {
  readonly #config: GopherRepetitionConfig;
  readonly #ngrams = new RepeatedNgrams();
  /** Code points of the words before each. */
  #before = new Int32Array(1024);
  #seen = new Uint8Array(1024);

  constructor(config: GopherRepetitionConfig) {
    this.#config = config;
  }

  judge(view: TextView): Drop | undefined {
    if (view.codePoints === 0) return undefined;
    return this.#judgeLines(view) ?? this.#judgeNgrams(view);
  }

  #judgeLines(view: TextView): Drop | undefined {
    const { text, codePoints } = view;
    if (!text.includes('\n')) return undefined;
    const config = this.#config;
    const paragraphs = text.trim().split(/\n{2,}/);
    const repeated = findDuplicates(paragraphs);
    const lines = text.split(/\n+/);
    const repeatedLines = findDuplicates(lines);
    return (
      over('dup_para_frac', repeated.count / paragraphs.length, config.dup_para_frac) ??
      over('dup_para_char_frac', repeated.characters / codePoints, config.dup_para_char_frac) ??
      over('dup_line_frac', repeatedLines.count / lines.length, config.dup_line_frac) ??
      over('dup_line_char_frac', repeatedLines.characters / codePoints, config.dup_line_char_frac)
    );
  }

  #judgeNgrams(view: TextView): Drop | undefined {
    const { words, chinese, codePoints } = view;
    const { top_n_grams, dup_n_grams } = this.#config;
    const length = (n: number) => (chinese ? Math.round(n * HAN_PER_WORD) : n);
    const longest = Math.max(0, ...top_n_grams.map(([n]) => length(n)), ...dup_n_grams.map(([n]) => length(n)));
    const needsSingles = [...top_n_grams, ...dup_n_grams].some(([n]) => length(n) === 1);
    // In the order of the config, whatever the order of n in it.
    const drops: Drop[] = [];
    this.#measure(view);
    this.#ngrams.begin(words.ids, words.count);
    for (let n = 1; n <= longest && n <= words.count; n++) {
      if (n > 1) this.#ngrams.next();
      else if (needsSingles) this.#ngrams.countSingles();
      for (const [i, [most, limit]] of top_n_grams.entries()) {
        if (length(most) !== n) continue;
        const drop = over('top_n_grams', this.#top(n, chinese) / codePoints, limit, most);
        if (drop !== undefined) drops[i] = drop;
      }
      for (const [i, [most, limit]] of dup_n_grams.entries()) {
        if (length(most) !== n) continue;
        const drop = over('dup_n_grams', this.#repeated(n) / codePoints, limit, most);
        if (drop !== undefined) drops[top_n_grams.length + i] = drop;
      }
    }
    return drops.find((drop) => drop !== undefined);
  }

  #measure(view: TextView): void {
    const { words, vocabulary } = view;
    this.#before = grown(this.#before, words.count + 1);
    let sum = 0;
    for (let i = 0; i < words.count; i++) {
      sum += vocabulary.lengths[words.ids[i]!]!;
      this.#before[i + 1] = sum;
    }
  }

  /** Characters of the most frequent n-gram, times how often it occurs. */
  #top(n: number, chinese: boolean): number {
    const { counts, firsts, size } = this.#ngrams;
    let first = 0;
    let count = 1;
    for (let name = 0; name < size; name++) {
      if (counts[name]! <= count) continue;
      count = counts[name]!;
      first = firsts[name]!;
    }
    const spaces = chinese ? 0 : n - 1;
    return count * (this.#before[first + n]! - this.#before[first]! + spaces);
  }

  /** Characters in n-grams that were met before. */
  #repeated(n: number): number {
    const { names, places, placeCount, size } = this.#ngrams;
    if (size === 0) return 0;
    if (this.#seen.length < size) this.#seen = new Uint8Array(2 * size);
    const seen = this.#seen.fill(0, 0, size);
    let characters = 0;
    let free = 0;
    for (let k = 0; k < placeCount; k++) {
      const i = places[k]!;
      if (i < free) continue;
      const name = names[i]!;
      if (seen[name] === 1) {
        characters += this.#before[i + n]! - this.#before[i]!;
        free = i + n;
      } else seen[name] = 1;
    }
    return characters;
  }
}

function over(rule: keyof GopherRepetitionConfig, value: number, limit: number, n?: number): Drop | undefined {
  if (value <= limit) return undefined;
  return { rule: `filters.gopher_repetition.${rule}${n === undefined ? '' : `.${n}`}`, value, limit };
}
