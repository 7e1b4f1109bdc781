import type { PrepareConfig } from '../../config/index.ts';
import type { Drop } from '../row-step.ts';
import { ALONE, HAN, SPACE, unitClasses } from './characters.ts';
import { splitLines } from './lines.ts';
import { HAN_PER_WORD, TextReader } from './text-view.ts';
import { PUNCTUATION, SENTENCE_END } from './vocabulary.ts';

export type C4Config = Exclude<PrepareConfig['filters']['c4'], false>;

const CITATION = /\[\d*\]|\[edit\]|\[citation needed\]/g;
const ENDS = ['.', '?', '!', '"', "'"];
const ENDS_ZH = [...ENDS, '。', '！', '？', '”', '’', '」', '』', '。）', '！）', '？）'];
const ELLIPSIS_ENDS = ['...'];
const ELLIPSIS_ENDS_ZH = ['...', '…', '。。。'];
const POLICIES = ['terms of use', 'privacy policy', 'cookie policy', 'uses cookies', 'use of cookies', 'use cookies'];
const POLICIES_ZH = POLICIES.concat(
  '使用条款 服务条款 用户协议 隐私政策 隐私权政策 隐私声明 cookie政策 使用cookie'.split(' '),
  '使用條款 服務條款 使用者協議 隱私政策 隱私權政策 隱私聲明'.split(' '),
  ['cookie 政策', '使用 cookie'],
);
/** What the rules on phrases look for; most texts hold none of it, which one pass tells. */
const ANY_PHRASE = /lorem ipsum|javascript|terms of use|privacy policy|cookie|条款|條款|协议|協議|隐私|隱私/i;
const SENTENCE_ENDS_ZH = /[。！？!?…]+[”’」』）)"']*|\.(?=\s|$)/;

/** What is left of a text: its lines, or why it is dropped; and which rules took lines out, how many each. */
export interface C4Result {
  text: string;
  drop?: Drop;
  dropped: Map<keyof C4Config, number>;
}

/**
 * C4's rules (Raffel et al., 2020, section 2.2) as datatrove applies them: lines are trimmed, freed of citations and
 * dropped one by one, and the text is judged by what is left. A `{` or "lorem ipsum" only counts in a line that the
 * rules before it leave.
 *
 * Chinese text: three words are five Han characters (3 * 1.6); a word of too many characters is one without Han
 * characters; lines also end in 。！？ and closing quotes, sentences in 。！？…; notices in Chinese are known, too.
 */
export class C4 {
  readonly #config: C4Config;
  readonly #reader = new TextReader('en');

  constructor(config: C4Config) {
    this.#config = config;
  }

  judge(text: string, chinese: boolean): C4Result {
    const config = this.#config;
    const phrases = ANY_PHRASE.test(text);
    const kept: string[] = [];
    const dropped: C4Result['dropped'] = new Map();
    let sentences = 0;
    for (const whole of splitLines(text)) {
      const [line, rule] = this.#judgeLine(whole.trim(), chinese, phrases);
      if (rule === 'lorem_ipsum' || rule === 'curly_bracket') {
        const value = rule === 'curly_bracket' ? '{' : 'lorem ipsum';
        return { text, drop: { rule: `filters.c4.${rule}`, value, limit: 'none' }, dropped };
      }
      if (rule !== undefined) {
        dropped.set(rule, (dropped.get(rule) ?? 0) + 1);
        continue;
      }
      // Enough is enough: the limit asks for no more.
      if (sentences < config.min_num_sentences) sentences += this.#sentences(line, chinese);
      kept.push(line);
    }
    const left = kept.join('\n').trim();
    if (sentences >= config.min_num_sentences) return { text: left, dropped };
    const drop = { rule: 'filters.c4.min_num_sentences', value: sentences, limit: config.min_num_sentences };
    return { text: left, drop, dropped };
  }

  /** The line without citations, and the rule it breaks. */
  #judgeLine(trimmed: string, chinese: boolean, phrases: boolean): [string, (keyof C4Config)?] {
    const config = this.#config;
    const { words, longest } = measureLine(trimmed, chinese, config);
    if (longest > config.max_word_length) return [trimmed, 'max_word_length'];
    const line = config.remove_citations && trimmed.includes('[') ? trimmed.replace(CITATION, '') : trimmed;
    if (config.terminal_punctuation && !endsLikeSentence(line, chinese)) return [line, 'terminal_punctuation'];
    if (words < config.min_words_per_line) return [line, 'min_words_per_line'];
    const lower = phrases ? line.toLowerCase() : '';
    if (config.lorem_ipsum && lower.includes('lorem ipsum')) return [line, 'lorem_ipsum'];
    if (config.javascript && lower.includes('javascript')) return [line, 'javascript'];
    if (config.curly_bracket && line.includes('{')) return [line, 'curly_bracket'];
    const policies = chinese ? POLICIES_ZH : POLICIES;
    if (config.policy && phrases && policies.some((phrase) => lower.includes(phrase))) return [line, 'policy'];
    return [line];
  }

  #sentences(line: string, chinese: boolean): number {
    if (chinese) return line.split(SENTENCE_ENDS_ZH).filter((part) => /[\p{L}\p{N}]/u.test(part)).length;
    const { words, vocabulary } = this.#reader.read(line);
    let count = words.count > 0 ? 1 : 0;
    let ended = false;
    for (let i = 0; i < words.count; i++) {
      const bits = vocabulary.bits[words.ids[i]!]!;
      if ((bits & SENTENCE_END) !== 0) ended = true;
      else if (ended && (bits & PUNCTUATION) === 0) {
        count++;
        ended = false;
      }
    }
    return count;
  }
}

function endsLikeSentence(line: string, chinese: boolean): boolean {
  const ends = chinese ? ENDS_ZH : ENDS;
  const ellipses = chinese ? ELLIPSIS_ENDS_ZH : ELLIPSIS_ENDS;
  return ends.some((end) => line.endsWith(end)) && !ellipses.some((end) => line.endsWith(end));
}

/**
 * Words of a line and the code points of its longest: between white space, and in Chinese text also between Han.
 * Stops where both limits are decided: no word is longer than its line.
 */
function measureLine(line: string, chinese: boolean, config: C4Config): { words: number; longest: number } {
  const classes = unitClasses();
  const ends = chinese ? SPACE | ALONE : SPACE;
  const enough = line.length <= config.max_word_length ? config.min_words_per_line : Infinity;
  let [words, longest, length, han] = [0, 0, 0, 0];
  for (let i = 0; i < line.length && words + han / HAN_PER_WORD < enough; i++) {
    const unit = line.charCodeAt(i);
    const bits = classes[unit]!;
    if ((bits & ends) === 0) {
      if (length === 0) words++;
      // The second half of a pair is no character of its own.
      if ((unit & 0xfc00) !== 0xdc00 || length === 0) length++;
      continue;
    }
    if ((bits & HAN) !== 0) han++;
    if (length > longest) longest = length;
    length = 0;
  }
  return { words: words + han / HAN_PER_WORD, longest: Math.max(longest, length) };
}
