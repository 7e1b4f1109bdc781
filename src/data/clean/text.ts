import type { RowStep } from '../row-step.ts';
import { mapTexts, textsOf } from '../texts.ts';
import type { Example } from '../types.ts';
import { CHANGES, TextCleaner, type CleanConfig } from './cleaner.ts';

export type { CleanConfig } from './cleaner.ts';

/**
 * The step that cleans: mojibake, markup, Unicode form, control characters, boilerplate lines, white space, in this
 * order. `counts` has, under each name of CHANGES, the number of rows it changed. It drops nothing.
 */
export function makeCleaner(config: CleanConfig): RowStep {
  const counts: Record<string, number> = {};
  const cleaner = new TextCleaner(config);
  return {
    stage: 'clean',
    counts,
    apply(example: Example) {
      cleaner.changes = 0;
      const cleaned = cleanExample(example, cleaner);
      if (cleaner.changes === 0) return { example };
      for (const [bit, name] of CHANGES.entries()) {
        if ((cleaner.changes & (1 << bit)) !== 0) counts[name] = (counts[name] ?? 0) + 1;
      }
      return { example: cleaned };
    },
  };
}

/**
 * Cleans every text of an example. Whitespace: CRLF and CR to LF, no spaces at the end of a line, at most one blank line
 * in a row; whole texts and turns also lose blank lines at the start and whitespace at the end. Prompts and completions
 * keep their ends, since in plain text they are joined as they stand.
 */
export function cleanExample(example: Example, config: CleanConfig | TextCleaner): Example {
  const cleaner = config instanceof TextCleaner ? config : new TextCleaner(config);
  const document = example.type === 'text';
  return mapTexts(example, (text, whole) => cleaner.clean(text, whole, document));
}

/** True when nothing is left to train on or to condition on. */
export function isEmptyExample(example: Example): boolean {
  return textsOf(example).every((text) => text.trim() === '');
}
