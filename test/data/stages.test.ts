import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SourceConfig } from '../../src/config/index.ts';
import { type CleanConfig, cleanExample, isEmptyExample } from '../../src/data/clean.ts';
import { FATE, markDuplicates } from '../../src/data/dedup.ts';
import { detectMapping } from '../../src/data/detect.ts';
import { hashExample, HashIndex } from '../../src/data/hash-index.ts';
import { Lengths } from '../../src/data/lengths.ts';
import { mapRow } from '../../src/data/map.ts';
import { markValidation } from '../../src/data/split.ts';

const source = (more: object = {}): SourceConfig => ({
  path: 'x',
  format: 'auto',
  type: 'auto',
  sample_by: 'auto',
  ...more,
});
const turn = (role: string, content: string) => ({ role, content });

describe('recognizing rows', () => {
  it.each([
    [{ text: 'a' }, 'text'],
    [{ messages: [turn('user', 'a')] }, 'messages'],
    [{ conversations: [{ from: 'human', value: 'a' }] }, 'sharegpt'],
    [{ messages: [{ from: 'human', value: 'a' }] }, 'sharegpt'],
    [{ instruction: 'a', input: '', output: 'b' }, 'alpaca'],
    [{ prompt: 'a', completion: 'b' }, 'prompt-completion'],
  ])('%j is %s', (row, type) => {
    const mapping = detectMapping(source(), row, 'f:1');
    expect(mapping.type).toBe(type);
    expect(mapping.unused).toEqual([]);
    expect(mapping.found).toContain('from its columns');
  });

  it('takes columns mapped by hand', () => {
    const row = { question: 'a', answer: 'b', id: 1 };
    const mapping = detectMapping(source({ columns: { prompt: 'question', completion: 'answer' } }), row, 'f:1');
    expect(mapping.type).toBe('prompt-completion');
    expect(mapping.unused).toEqual(['id']);
    expect(mapRow(row, mapping, 'f:1')).toEqual({ type: 'prompt-completion', prompt: 'a', completion: 'b' });
  });

  it('does not guess at what it does not know, or at a text column with labels beside it; it says what to write', () => {
    const refuse = (row: object, more = {}) => {
      try {
        detectMapping(source(more), row, 'f:1');
        return undefined;
      } catch (error) {
        return error;
      }
    };
    expect(refuse({ question: 'a', answer: 'b' })).toMatchObject({
      kind: 'data',
      where: 'f:1',
      hint: 'map them: columns: { prompt: question, completion: answer }',
    });
    expect(refuse({ text: 'a', category: 'b' })).toMatchObject({ hint: expect.stringContaining('type: text') });
    expect(refuse({ foo: 'a' })).toMatchObject({ got: 'columns foo' });
    expect(refuse({ foo: 'a' }, { columns: { text: 'body' } })).toMatchObject({
      message: 'there is no column body',
      expected: 'body, which columns.text names',
    });
    expect(refuse({ text: 'a' }, { type: 'messages' })).toMatchObject({ message: 'there is no column messages' });
  });
});

describe('mapping rows', () => {
  const map = (row: object, more: object = {}) => mapRow(row, detectMapping(source(more), row, 'f:1'), 'f:1');

  it('joins alpaca instructions and inputs, and keeps system texts', () => {
    expect(map({ instruction: 'a', input: 'b', output: 'c', system: 's' })).toEqual({
      type: 'prompt-completion',
      prompt: 'a\nb',
      completion: 'c',
      system: 's',
    });
    expect(map({ instruction: 'a', input: null, output: 'c' })).toMatchObject({ prompt: 'a' });
  });

  it('names ShareGPT speakers as roles', () => {
    const conversations = ['system', 'human', 'gpt', 'observation'].map((from) => ({ from, value: from }));
    const example = map({ conversations });
    expect(example).toMatchObject({
      messages: [
        turn('system', 'system'),
        turn('user', 'human'),
        turn('assistant', 'gpt'),
        turn('tool', 'observation'),
      ],
    });
    expect(() => map({ conversations: [{ from: 'cat', value: 'miau' }] })).toThrow(/turn 1 is not a ShareGPT turn/);
  });

  it('fills a prompt template in one pass', () => {
    const example = map(
      { prompt: 'a {system}', completion: 'b', system: 'S' },
      { prompt_template: '{system}|{prompt}>' },
    );
    expect(example).toEqual({ type: 'prompt-completion', prompt: 'S|a {system}>', completion: 'b', plain: true });
  });

  it('takes text parts, and prompts and completions that are messages', () => {
    expect(map({ messages: [{ role: 'user', content: [{ type: 'text', text: 'a' }] }] })).toMatchObject({
      messages: [turn('user', 'a')],
    });
    expect(map({ prompt: [turn('user', 'a')], completion: [turn('assistant', 'b')] })).toEqual({
      type: 'messages',
      messages: [turn('user', 'a'), turn('assistant', 'b')],
    });
  });

  it('refuses cells of the wrong kind, at the row', () => {
    const mapping = detectMapping(source(), { text: 'a' }, 'f:1');
    expect(() => mapRow({ text: null }, mapping, 'f:9')).toThrow(
      expect.objectContaining({ where: 'f:9', got: 'null' }),
    );
    expect(() => mapRow({ other: 1 }, mapping, 'f:9')).toThrow(/no column text/);
    expect(mapRow({ text: 7 }, mapping, 'f:9')).toEqual({ type: 'text', text: '7' });
    expect(() => map({ messages: [{ role: 'user' }] })).toThrow(/turn 1 is not a message/);
    expect(() => map({ messages: [turn('user', 'a'), { content: 'b' }] })).toThrow(/turn 2 is not a message/);
  });
});

describe('cleaning', () => {
  const all: CleanConfig = { unicode: 'nfc', control_chars: true, whitespace: true };
  const clean = (text: string, config: Partial<CleanConfig> = {}) => {
    const example = cleanExample({ type: 'text', text }, { ...all, ...config });
    return example.type === 'text' ? example.text : '';
  };

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
    expect(clean('ﬁ', { unicode: 'nfkc' })).toBe('fi');
    expect(clean('a \u0007\r\n', { whitespace: false })).toBe('a \r\n');
    expect(clean('a\u0007', { control_chars: false })).toBe('a\u0007');
  });

  it('keeps the ends of prompts and completions, which are joined as they stand', () => {
    const example = { type: 'prompt-completion', prompt: 'Q: x\r\nA: ', completion: ' y ' } as const;
    expect(cleanExample(example, all)).toEqual({ ...example, prompt: 'Q: x\nA: ' });
  });

  it('knows when nothing is left', () => {
    expect(isEmptyExample(cleanExample({ type: 'text', text: ' \u200b\n' }, all))).toBe(true);
    expect(isEmptyExample({ type: 'messages', messages: [turn('user', ' '), turn('assistant', 'a')] })).toBe(false);
  });
});

describe('dedup and split', () => {
  let dir: string;
  let next = 0;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'llmkit-hash-'));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  function indexOf(texts: string[], seed = 1): HashIndex {
    const index = new HashIndex(join(dir, String(next++)));
    for (const text of texts) index.add(hashExample({ type: 'text', text }, seed));
    index.close();
    return index;
  }
  const held = (texts: string[], fates: Uint8Array) => texts.filter((_, row) => fates[row] === FATE.validation).sort();

  it('keeps the first of equal rows', () => {
    const texts = ['a', 'b', 'a', 'c', 'a', 'b'];
    const fates = new Uint8Array(6);
    const { duplicates, shown } = markDuplicates(indexOf(texts), fates);
    expect([...fates]).toEqual([0, 0, 2, 0, 2, 2]);
    expect(duplicates).toBe(3);
    expect(shown.map(({ row, first }) => [row, first]).sort()).toEqual([
      [2, 0],
      [4, 0],
      [5, 1],
    ]);
  });

  it('holds out the same rows whatever their order, others with another seed, and as many as asked', () => {
    const texts = Array.from({ length: 2000 }, (_, i) => `row ${i}`);
    const fates = (list: string[], seed: number, validation: number) => {
      const marks = new Uint8Array(list.length);
      const marked = markValidation(indexOf(list, seed), marks, validation, 'w');
      expect(marked).toBe(held(list, marks).length);
      return held(list, marks);
    };
    const first = fates(texts, 1, 0.05);
    expect(first.length).toBe(100);
    expect(fates(texts.toReversed(), 1, 0.05)).toEqual(first);
    expect(fates(texts, 2, 0.05)).not.toEqual(first);
    expect(fates(texts, 1, 7).length).toBe(7);
    expect(fates(texts.slice(0, 10), 1, 0.001).length).toBe(1);
    expect(fates(texts, 1, 0)).toEqual([]);
  });

  it('never puts equal rows on both sides, and refuses to hold out everything', () => {
    const texts = ['a', 'a', 'a', 'b', 'c'];
    const fates = new Uint8Array(5);
    markValidation(indexOf(texts), fates, 2, 'w');
    expect(new Set([...fates].slice(0, 3)).size).toBe(1);
    expect(() => markValidation(indexOf(['a', 'b']), new Uint8Array(2), 2, 'w')).toThrow(/leaves no rows/);
  });
});

describe('Lengths', () => {
  it('gives exact percentiles and a histogram by powers of two', () => {
    const lengths = new Lengths(100);
    for (let i = 1; i <= 100; i++) lengths.add(i);
    expect([0.5, 0.9, 1].map((fraction) => lengths.percentile(fraction))).toEqual([50, 90, 100]);
    expect(lengths.histogram()).toEqual([
      { up_to: 16, examples: 16 },
      { up_to: 32, examples: 16 },
      { up_to: 64, examples: 32 },
      { up_to: 128, examples: 36 },
    ]);
  });
});
