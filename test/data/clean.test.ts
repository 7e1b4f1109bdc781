import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cleanExample, isEmptyExample, makeCleaner, type CleanConfig } from '../../src/data/clean/text.ts';
import { tidyWhitespace } from '../../src/data/clean/whitespace.ts';
import { applyToText, CLEAN, turn } from './clean-helpers.ts';

const clean = (text: string, config: Partial<CleanConfig> = {}) =>
  applyToText(makeCleaner({ ...CLEAN, ...config }), text);

describe('cleaning', () => {
  it('normalizes, drops control and zero-width characters, and tidies whitespace', () => {
    expect(clean('e\u0301\u200b\u0007\ufeff')).toBe('é');
    expect(clean('\n \n  a  \r\nb\t\rc\n\n\n\nd \n')).toBe('  a\nb\nc\n\nd');
  });

  it('keeps tabs, indentation, and the joiners that emoji and Persian need', () => {
    const text = 'if x:\n\ty\n    z 👩‍👩‍👧 می‌خواهم';
    expect(clean(text)).toBe(text);
  });

  it('does what the config says only', () => {
    expect(clean('ﬁ e\u0301', { unicode: 'none' })).toBe('ﬁ e\u0301');
    expect(clean('ﬁ，', { unicode: 'nfkc' })).toBe('fi,');
    expect(clean('a \u0007\r\n', { whitespace: false })).toBe('a \r\n');
    expect(clean('a\u0007', { control_chars: false })).toBe('a\u0007');
    expect(clean('cafÃ©', { mojibake: false })).toBe('cafÃ©');
    expect(clean('<b>x</b> &amp; y')).toBe('<b>x</b> &amp; y');
    expect(clean('Text.\nShare this article')).toBe('Text.\nShare this article');
  });

  it('keeps the ends of prompts and completions, which are joined as they stand', () => {
    const example = { type: 'prompt-completion', prompt: 'Q: x\r\nA: ', completion: ' y ' } as const;
    expect(cleanExample(example, CLEAN)).toEqual({ ...example, prompt: 'Q: x\nA: ' });
  });

  it('cleans every turn and both answers of a preference row, and keeps what else a row has', () => {
    const step = makeCleaner(CLEAN);
    const chat = {
      type: 'messages' as const,
      messages: [turn('user', 'cafÃ© '), turn('assistant', 'ok')],
      tools: [{}],
    };
    expect(step.apply(chat)).toEqual({
      example: { ...chat, messages: [turn('user', 'café'), turn('assistant', 'ok')] },
    });
    const pair = {
      type: 'preference' as const,
      prompt: 'a\u0007',
      chosen: [turn('assistant', 'b\r\n')],
      rejected: 'c',
    };
    expect(cleanExample(pair, CLEAN)).toEqual({ ...pair, prompt: 'a', chosen: [turn('assistant', 'b')] });
  });

  it('counts the rows that each kind of change touched, and none for clean rows', () => {
    const step = makeCleaner({ ...CLEAN, html: true, boilerplate: true });
    for (const text of [
      'plain',
      '中文，没有问题。',
      'cafÃ© Ã¼',
      'a\u0007 ',
      '<p>x</p>',
      'A text.\nShare this article\n',
      'e\u0301',
    ]) {
      applyToText(step, text);
    }
    expect(step.counts).toEqual({
      'mojibake mended': 1,
      'control characters removed': 1,
      'whitespace tidied': 2,
      'markup removed': 1,
      'boilerplate lines removed': 1,
      'unicode normalized': 1,
    });
  });

  it('removes what markup hid: control characters and decomposed letters as character references', () => {
    expect(clean('<p>e&#769; a&#8203;b &#7;</p>', { html: true })).toBe('é ab');
  });

  it('returns the very row when nothing changes', () => {
    const example = { type: 'text' as const, text: 'as it was' };
    expect(makeCleaner(CLEAN).apply(example)).toEqual({ example });
  });

  it('knows when nothing is left', () => {
    expect(isEmptyExample(cleanExample({ type: 'text', text: ' \u200b\n' }, CLEAN))).toBe(true);
    expect(isEmptyExample({ type: 'messages', messages: [turn('user', ' '), turn('assistant', 'a')] })).toBe(false);
    expect(isEmptyExample({ type: 'preference', prompt: ' ', chosen: [turn('assistant', '')], rejected: '\n' })).toBe(
      true,
    );
  });

  it('tidies white space as the regular expressions that say what it means would', () => {
    const oracle = (text: string, whole: boolean) => {
      const tidy = text
        .replaceAll(/\r\n?/g, '\n')
        .replaceAll(/[^\S\n]+(?=\n)/g, '')
        .replaceAll(/\n{3,}/g, '\n\n');
      return whole ? tidy.replaceAll(/^(?:[^\S\n]*\n)+|\s+$/g, '') : tidy;
    };
    const texts = fc.array(fc.constantFrom('a', 'b c', ' ', '\t', '\n', '\r', '\u00a0', '\u3000', '中'), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(texts, fc.boolean(), (parts, whole) => {
        const text = parts.join('');
        expect(tidyWhitespace(text, whole)).toBe(oracle(text, whole));
      }),
      { numRuns: 2000, seed: 7 },
    );
  });

  it('gives the same text when run on its own result', () => {
    const step = makeCleaner({ ...CLEAN, boilerplate: true });
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        const once = applyToText(step, text) as string;
        expect(applyToText(step, once)).toBe(once);
      }),
      { numRuns: 500, seed: 3 },
    );
  });
});

describe('cleaning of hostile and long rows', () => {
  const MB = 1_000_000;
  it.each([
    ['spaces', ' '.repeat(MB)],
    ['spaces and newlines', `${' '.repeat(999)}\n`.repeat(MB / 1000)],
    ['carriage returns', '\r'.repeat(MB)],
    ['newlines', '\n'.repeat(MB)],
    ['lead bytes', 'Ã'.repeat(MB)],
    ['lead bytes of four', 'ð'.repeat(MB)],
    ['mojibake', 'ä½\u00a0å¥½'.repeat(MB / 6)],
    ['mojibake, mixed', 'ä½\u00a0å¥½é'.repeat(MB / 7)],
    ['GBK mojibake', '锛屾槸'.repeat(MB / 3)],
    ['C1 controls', '\x93a\x94'.repeat(MB / 3)],
    ['combining marks', `a${'\u0301'.repeat(MB)}`],
    ['menus', 'Home | About | '.repeat(MB / 15)],
    ['a long line about cookies', `we use cookies ${'x '.repeat(MB / 2)}`],
    ['short lines about cookies', 'we use cookies, says the chapter\n'.repeat(MB / 33)],
  ])('%s, 1 MB', { timeout: 20_000 }, (_, text) => {
    const start = performance.now();
    clean(text, { boilerplate: true });
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it('takes a row of 10 MB', () => {
    const text = 'A line of text that is of no interest. \n'.repeat(250_000);
    expect((clean(text) as string).length).toBe(text.length - 250_001);
  });
});
