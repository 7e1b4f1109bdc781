import type { PrepareConfig } from '../../config/index.ts';
import type { Drop } from '../row-step.ts';
import { codePoints, endsSentence } from './characters.ts';
import { countOf, findDuplicates, width } from './lines.ts';
import type { TextView } from './text-view.ts';

export type FinewebConfig = Exclude<PrepareConfig['filters']['fineweb'], false>;

const CLOSING_ZH = new Set('”’」』）"\'');

/**
 * FineWeb's own rules (Penedo et al., 2024, section 3.6) as datatrove applies them, to the lines that are not blank:
 * few end like a sentence, most are short, characters in lines that repeat an earlier one (of all but newlines), and
 * newlines to words and marks.
 *
 * Chinese text: …… and a closing quote after the mark also end a line; a short line is one of that many columns, of
 * which a Han character takes two; words are Han characters / 1.6 beside the others.
 */
export function judgeFineweb(view: TextView, config: FinewebConfig): Drop | undefined {
  const { text, chinese, wordCount } = view;
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  if (lines.length === 0) return { rule: 'filters.fineweb.line_punct_thr', value: 0, limit: config.line_punct_thr };
  let ended = 0;
  let short = 0;
  for (const line of lines) {
    if (chinese ? endsChinese(line) : endsSentence(lastCharacter(line))) ended++;
    if (isShort(line, config.short_line_length, chinese)) short++;
  }
  if (ended / lines.length < config.line_punct_thr) {
    return { rule: 'filters.fineweb.line_punct_thr', value: ended / lines.length, limit: config.line_punct_thr };
  }
  const newlines = countOf(text, '\n');
  return (
    above('short_line_thr', short / lines.length, config.short_line_thr) ??
    above('char_duplicates_ratio', repeated(lines) / (view.codePoints - newlines), config.char_duplicates_ratio) ??
    above('new_line_ratio', newlines / Math.max(1, wordCount), config.new_line_ratio)
  );
}

function above(rule: keyof FinewebConfig, value: number, limit: number): Drop | undefined {
  return value > limit ? { rule: `filters.fineweb.${rule}`, value, limit } : undefined;
}

function repeated(lines: readonly string[]): number {
  return lines.length < 2 ? 0 : findDuplicates(lines).characters;
}

function lastCharacter(line: string): string {
  const last = line.charCodeAt(line.length - 1);
  return line.slice((last & 0xfc00) === 0xdc00 ? -2 : -1);
}

function endsChinese(line: string): boolean {
  let end = line.length;
  while (end > 0 && CLOSING_ZH.has(line[end - 1]!)) end--;
  const last = lastCharacter(line.slice(0, end));
  return last === '…' || endsSentence(last);
}

function isShort(line: string, limit: number, chinese: boolean): boolean {
  if (chinese) return line.length <= limit && width(line) <= limit;
  // No more code points than units, and no fewer than half of them.
  if (line.length <= limit) return true;
  return line.length <= 2 * limit && codePoints(line) <= limit;
}
