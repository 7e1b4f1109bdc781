import { describe, expect, it } from 'vitest';
import type { SourceConfig } from '../../src/config/index.ts';
import { Lengths } from '../../src/data/encode/lengths.ts';
import { detectMapping } from '../../src/data/read/detect.ts';
import { mapRow } from '../../src/data/read/map.ts';

const source = (more: object = {}): SourceConfig => ({
  path: 'x',
  format: 'auto',
  type: 'auto',
  sample_by: 'auto',
  weight: 1,
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

describe('Lengths', () => {
  it('gives exact percentiles and a histogram by powers of two', () => {
    const lengths = new Lengths();
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
