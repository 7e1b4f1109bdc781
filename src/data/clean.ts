import type { PrepareConfig } from '../config/index.ts';
import type { Example } from './types.ts';

export type CleanConfig = PrepareConfig['clean'];

/**
 * Control characters (Unicode Cc) but tab, LF and CR; and the zero-width characters that carry no meaning: zero width
 * space, word joiner, byte-order mark. Joiners (U+200C, U+200D) stay: Persian, Indic scripts and emoji need them.
 */
const CONTROL = /(?![\t\n\r])[\p{Cc}\u200b\u2060\ufeff]/gu;
const LINE_END = /\r\n?/g;
const TRAILING = /[^\S\n]+(?=\n)/g;
const BLANK_LINES = /\n{3,}/g;
const EDGES = /^(?:[^\S\n]*\n)+|\s+$/g;

/**
 * Cleans every text of an example. Whitespace: CRLF and CR to LF, no spaces at the end of a line, at most one blank line
 * in a row; whole texts and turns also lose blank lines at the start and whitespace at the end. Prompts and completions
 * keep their ends, since in plain text they are joined as they stand.
 */
export function cleanExample(example: Example, config: CleanConfig): Example {
  const whole = (text: string) => cleanText(text, config, true);
  const part = (text: string) => cleanText(text, config, false);
  switch (example.type) {
    case 'text':
      return { type: 'text', text: whole(example.text) };
    case 'messages':
      return {
        type: 'messages',
        messages: example.messages.map((message) => ({ ...message, content: whole(message.content) })),
      };
    case 'prompt-completion': {
      const { prompt, completion, system } = example;
      const cleaned = { ...example, prompt: part(prompt), completion: part(completion) };
      return system === undefined ? cleaned : { ...cleaned, system: whole(system) };
    }
  }
}

function cleanText(text: string, config: CleanConfig, trim: boolean): string {
  let clean = text;
  if (config.unicode !== 'none') clean = clean.normalize(config.unicode === 'nfc' ? 'NFC' : 'NFKC');
  if (config.control_chars) clean = clean.replaceAll(CONTROL, '');
  if (config.whitespace) {
    clean = clean.replaceAll(LINE_END, '\n').replaceAll(TRAILING, '').replaceAll(BLANK_LINES, '\n\n');
    if (trim) clean = clean.replaceAll(EDGES, '');
  }
  return clean;
}

/** True when nothing is left to train on or to condition on. */
export function isEmptyExample(example: Example): boolean {
  if (example.type === 'text') return example.text.trim() === '';
  if (example.type === 'messages') return example.messages.every((message) => message.content.trim() === '');
  return example.prompt.trim() === '' && example.completion.trim() === '';
}
