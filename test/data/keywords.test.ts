import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadKeywords, makeKeywords, type KeywordRule } from '../../src/data/clean/keywords.ts';
import { boundedRegex, UnsafeRegex } from '../../src/data/clean/keywords/regex-cost.ts';
import { WordFinder, type Word } from '../../src/data/clean/keywords/words.ts';
import { LlmkitError, LlmkitErrors } from '../../src/core/errors.ts';
import { applyToText, turn } from './clean-helpers.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'llmkit-keywords-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

let next = 0;
function ruleFile(text: string): string {
  const file = path.join(dir, `rules${next++}.yaml`);
  writeFileSync(file, text);
  return file;
}
const load = (text: string) => loadKeywords([{ path: ruleFile(text), where: 'c.yaml:3:5 prepare.keywords.0' }]);
const rule = (more: Partial<KeywordRule>): KeywordRule => ({
  name: 'r',
  severity: 'redact',
  words: [],
  regex: [],
  ignoreCase: true,
  wholeWord: true,
  ...more,
});
const redact = (text: string, more: Partial<KeywordRule>) => applyToText(makeKeywords([rule(more)]), text);

describe('words', () => {
  it.each([
    ['Art and the cart, ART!', ['art'], '[R] and the cart, [R]!'],
    ['保证收益，稳赚不赔的', ['稳赚不赔', '收益'], '保证[R]，[R]的'],
    ['用VISA卡付款，VISAS不行', ['visa卡', 'visa'], '用[R]付款，VISAS不行'],
    ['wire transfer fee', ['wire', 'wire transfer'], '[R] fee'],
    ['new york new', ['new york'], '[R] new'],
    ['ÉCOLE école écoles', ['école'], '[R] [R] écoles'],
    ['ab_art art_x art-x', ['art'], 'ab_art art_x [R]-x'],
    ['x 😀 y', ['😀'], 'x [R] y'],
    ['C++ and C#', ['c++', 'c#'], '[R] and [R]'],
    ['은행은 은행', ['은행'], '[R]은 [R]'],
    ['ааб', ['б'], 'ааб'],
  ])('%s', (text, words, expected) => {
    expect(redact(text, { words })).toBe(expected);
  });

  it('minds case and parts of words when told to', () => {
    expect(redact('Visa VISA', { words: ['VISA'], ignoreCase: false })).toBe('Visa [R]');
    expect(redact('cart', { words: ['art'], wholeWord: false })).toBe('c[R]');
  });

  it('finds the same as a search by comparison would', () => {
    const alphabet = fc.constantFrom('a', 'b', 'A', ' ', '中', '国', '_', 'é');
    const text = (most: number) => fc.array(alphabet, { minLength: 1, maxLength: most }).map((list) => list.join(''));
    const words = fc.array(fc.record({ text: text(4), whole: fc.boolean() }), { minLength: 1, maxLength: 8 });
    const isWord = (character: string | undefined) => character !== undefined && /[a-zA-Zé_]/.test(character);
    const slow = (subject: string, list: Word[]) => {
      const hits = [];
      for (let at = 0; at < subject.length;) {
        let best: { start: number; end: number; rule: number } | undefined;
        for (const word of list) {
          const end = at + word.text.length;
          if (subject.slice(at, end).toLowerCase() !== word.text.toLowerCase()) continue;
          const joinsBefore = isWord(subject[at - 1]) && isWord(subject[at]);
          const joinsAfter = isWord(subject[end - 1]) && isWord(subject[end]);
          if (word.whole && (joinsBefore || joinsAfter)) continue;
          if (best === undefined || end > best.end || (end === best.end && word.rule < best.rule)) {
            best = { start: at, end, rule: word.rule };
          }
        }
        if (best === undefined) at++;
        else {
          hits.push(best);
          at = best.end;
        }
      }
      return hits;
    };
    fc.assert(
      fc.property(text(40), words, (subject, list) => {
        const numbered = list.map((word, i) => ({ ...word, rule: i }));
        expect(new WordFinder(numbered, true).find(subject)).toEqual(slow(subject, numbered));
      }),
      { seed: 5, numRuns: 3000 },
    );
  });
});

describe('the step', () => {
  const step = () =>
    load(`
rules:
  - { name: banned, words: [forbidden, 禁词], severity: drop }
  - { name: look here, words: [lawyer], severity: flag }
  - { name: second, regex: 'law\\w+', severity: flag }
  - { name: rude, words: [idiot], regex: 'stu+pid', severity: redact }
`);

  it('drops at a hit of a drop rule, naming the rule and the word', () => {
    expect(applyToText(step(), '这是禁词。')).toEqual({ rule: 'keywords.banned', value: '禁词', limit: 0 });
    expect(applyToText(step(), 'Forbidden idiot')).toMatchObject({ rule: 'keywords.banned', value: 'Forbidden' });
  });

  it('flags with the first rule of the file that is hit, and redacts in every text of the row, counted', () => {
    const made = step();
    const example = {
      type: 'messages' as const,
      messages: [turn('user', 'Idiot! Stuuupid!'), turn('assistant', 'a lawyer')],
    };
    expect(made.apply(example)).toEqual({
      flag: 'keywords.look here',
      example: { type: 'messages', messages: [turn('user', '[RUDE]! [RUDE]!'), turn('assistant', 'a lawyer')] },
    });
    expect(made.counts).toEqual({ 'rude redacted': 2 });
    expect(made.apply({ type: 'text', text: 'laws' })).toEqual({
      example: { type: 'text', text: 'laws' },
      flag: 'keywords.second',
    });
  });

  it('leaves rows without hits as they are', () => {
    const example = { type: 'text' as const, text: 'all is well' };
    expect(step().apply(example)).toEqual({ example });
  });

  it('reads the sample file, which does what it says', () => {
    const file = new URL('../../configs/keywords/example.yaml', import.meta.url).pathname;
    const sample = loadKeywords([{ path: file, where: 'x' }]);
    expect(applyToText(sample, 'We offer guaranteed returns.')).toMatchObject({ rule: 'keywords.promises' });
    expect(applyToText(sample, 'We promise you a 12% return')).toMatchObject({ rule: 'keywords.promises' });
    expect(applyToText(sample, '这款产品保本保息')).toMatchObject({ rule: 'keywords.promises', value: '保本保息' });
    expect(applyToText(sample, 'Please send me your PIN')).toMatchObject({ rule: 'keywords.secrets asked for' });
    expect(applyToText(sample, '请提供您的验证码')).toMatchObject({ rule: 'keywords.secrets asked for' });
    expect(applyToText(sample, 'Northwind Bank is stupid')).toBe('[COMPETITOR] is [RUDE]');
    expect(sample.apply({ type: 'text', text: '我要投诉' })).toMatchObject({ flag: 'keywords.legal' });
    expect(applyToText(sample, 'Your card has arrived.')).toBe('Your card has arrived.');
  });

  it('reads a folder of rule files in the order of their names', () => {
    const folder = path.join(dir, 'folder');
    mkdirSync(folder);
    writeFileSync(path.join(folder, 'b.yml'), 'rules: [{ name: b, words: [x], severity: flag }]');
    writeFileSync(path.join(folder, 'a.yaml'), 'rules: [{ name: a, words: [x], severity: flag }]');
    writeFileSync(path.join(folder, 'readme.txt'), 'no rules');
    const made = loadKeywords([{ path: folder, where: 'w' }]);
    expect(made.apply({ type: 'text', text: 'x' })).toMatchObject({ flag: 'keywords.a' });
  });
});

describe('errors in rule files', () => {
  const failure = (text: string): LlmkitError => {
    try {
      load(text);
    } catch (error) {
      if (error instanceof LlmkitError) return error;
    }
    throw new Error('no error');
  };

  it.each([
    ['rules:\n  - { name: a, word: [x], severity: drop }', ':2:16', 'unknown key word', 'did you mean words?'],
    ['rules:\n  - { name: a, words: [x], severity: warn }', ':2:38', 'wrong value', undefined],
    ['rules:\n  - { name: a, severity: drop }', ':2:5', 'looks for nothing', undefined],
    ['rules:\n  - { words: [x], severity: drop }', ':2:5', 'rules.0.name is missing', undefined],
    ['rules:\n  - name: a\n    severity: drop\n    regex: "(x"', ':4:12', 'not a regular expression', undefined],
    ['rules:\n  - name: a\n    severity: drop\n    regex: [ok, "(a+)+b"]', ':4:17', 'very many ways', 'begins or ends'],
    ['rules:\n  - { name: a, regex: "x*", severity: drop }', ':2:23', 'matches the empty text', undefined],
    ['rules:\n  - { name: a, words: [" x"], severity: drop }', ':2:24', 'white space', undefined],
    ['rules:\n  - { name: a, words: [x], severity: drop\n', ':3:1', 'not YAML', undefined],
    [
      'rules:\n  - { name: a, words: [x], severity: flag }\n  - { name: a, words: [y], severity: flag }',
      ':3:13',
      'two rules',
      ':2:13',
    ],
    ['', '', 'holds a list of rules', undefined],
    ['- a', '', 'holds a list of rules', undefined],
    ['rules: []', ':1:8', 'wrong value', undefined],
  ])('%j', (text, place, message, hint) => {
    const error = failure(text);
    expect(error.kind).toBe('config');
    expect(error.message).toContain(message);
    expect(error.where).toMatch(/rules\d+\.yaml/);
    expect(error.where).toContain(place);
    if (hint !== undefined) expect(error.hint).toContain(hint);
  });

  it('tells all of them at once', () => {
    const error = failure('rules:\n  - { name: a, severity: drop, words: [x], regex: ["(", ".*.*x"] }\n');
    expect(error).toBeInstanceOf(LlmkitErrors);
    expect((error as LlmkitErrors).errors.map(({ message }) => message.slice(0, 24))).toEqual([
      'not a regular expression',
      'the regex could take ver',
    ]);
  });

  it('names the config line of a file that is not there, or is not UTF-8', () => {
    const where = 'c.yaml:3:5 prepare.keywords.0';
    expect(() => loadKeywords([{ path: path.join(dir, 'none.yaml'), where }])).toThrow(
      expect.objectContaining({ message: 'there is no such rule file', where }),
    );
    const file = path.join(dir, 'latin1.yaml');
    writeFileSync(file, Buffer.from([0x72, 0xe9, 0x0a]));
    expect(() => loadKeywords([{ path: file, where }])).toThrow(expect.objectContaining({ kind: 'config', where }));
  });
});

describe('regular expressions in rules', () => {
  it.each([
    ['\\d+', '\\d{1,200}'],
    ['a*b', 'a{0,200}b'],
    ['(?:a|b)+c', '(?:a|b){1,20}c'],
    ['(?:\\s+\\w)+!', '(?:\\s{1,50}\\w){1,20}!'],
    ['x{3,}y', 'x{3,200}y'],
    ['x.*?y', 'x.{0,200}?y'],
    ['[*+]\\*{2}', '[*+]\\*{2}'],
    ['\\d+(?:,\\d+)*', '\\d{1,200}(?:,\\d{1,50}){0,20}'],
    ['(?<name>a|b)c?', '(?<name>a|b)c?'],
    ['(?:guarantee|promise)[sd]? \\d{1,3} ?%', '(?:guarantee|promise)[sd]? \\d{1,3} ?%'],
    ['\\w+@\\w+\\.com', '\\w{1,200}@\\w{1,200}\\.com'],
    ['银行+卡', '银行{1,200}卡'],
    ['(?=.*x)y', '(?=.{0,200}x)y'],
    ['\\p{Script=Han}{2,4}', '\\p{Script=Han}{2,4}'],
  ])('ends the open repeats of %s', (source, expected) => {
    expect(boundedRegex(source, 'giu')).toBe(expected);
  });

  it.each([
    '(a+)+b',
    '(a*)*b',
    '(a|a)*b',
    '(?:a|ab)+c',
    '(.*)*x',
    '.*.*x',
    '\\s+\\s+x',
    '\\s*,?\\s*x',
    '(\\w+\\s?)+x',
    '(?:.{1,40}){40}x',
    '(?:\\w{1,9}|\\d)+x',
    '(?:a|b|ab)+x',
    '(?:[a-z]+[a-z0-9]?,?)+!',
    '\\d+(?:,?\\d+)+x',
    'a?'.repeat(30) + 'a'.repeat(30),
    '(?:a|aa)'.repeat(30),
    '(?:a?){30}a{30}',
    '(?:a?a)*b',
    '(x+x+)+y',
    '(a)\\1',
    '(?<q>a)\\k<q>',
    '.{0,500}.{0,500}x',
    '(?:.{1,40}){1,40}x',
    '\\d+\\w+x',
  ])('refuses %s', (source) => {
    expect(() => new RegExp(source, 'u')).not.toThrow();
    expect(() => boundedRegex(source, 'gu')).toThrow(UnsafeRegex);
  });

  it.each(['\\d+x', 'a*b', '(?:\\w+\\s)+x', '(?:,\\d+)+x', '.*x', '"[^"]*"', '\\w+@\\w+\\.com', '[a-z]+\\d+[a-z]+!'])(
    'takes bounded time on 300 kB of what %s is slowest on',
    { timeout: 60_000 },
    (source) => {
      const pattern = new RegExp(boundedRegex(source, 'giu'), 'giu');
      for (const unit of ['1', 'a', 'a ', ',1', '"', 'a1', 'b']) {
        const text = unit.repeat(300_000 / unit.length);
        const start = performance.now();
        applyToText(makeKeywords([rule({ regex: [pattern] })]), text);
        expect(performance.now() - start).toBeLessThan(5000);
      }
    },
  );

  it('never takes long for any pattern that it accepts', { timeout: 120_000 }, () => {
    const atom = fc.constantFrom('a', 'b', '[ab]', '.', '\\w', '[^b]', 'c');
    const quantifier = fc.constantFrom('', '', '*', '+', '?', '{1,3}', '{2,}');
    const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
      pattern: fc.oneof(
        { depthSize: 'medium', withCrossShrink: true },
        fc.tuple(atom, quantifier).map((parts) => parts.join('')),
        fc.tuple(tie('pattern'), tie('pattern')).map((parts) => parts.join('')),
        fc.tuple(tie('pattern'), tie('pattern'), quantifier).map(([a, b, many]) => `(?:${a}|${b})${many}`),
        fc.tuple(tie('pattern'), tie('pattern'), quantifier).map(([a, b, many]) => `(?:${a}${b})${many}`),
      ),
    }));
    let accepted = 0;
    fc.assert(
      fc.property(pattern, (source) => {
        let bounded: string;
        try {
          bounded = boundedRegex(`${source}!`, 'gu');
        } catch (error) {
          expect(error).toBeInstanceOf(UnsafeRegex);
          return;
        }
        accepted++;
        for (const text of ['a', 'ab', 'abc', 'aab'].map((unit) => unit.repeat(1200 / unit.length))) {
          const start = performance.now();
          text.replaceAll(new RegExp(bounded, 'gu'), '');
          expect(performance.now() - start).toBeLessThan(2000);
        }
      }),
      { seed: 21, numRuns: 1500 },
    );
    expect(accepted).toBeGreaterThan(300);
  });
});
