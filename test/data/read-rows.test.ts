import { describe, expect, it } from 'vitest';
import { sourceSchema } from '../../src/config/schema/prepare.ts';
import { detectMapping } from '../../src/data/read/detect.ts';
import { mapRow } from '../../src/data/read/map.ts';

const source = (more: object = {}) => sourceSchema.parse({ path: 'x', ...more });
const turn = (role: string, content: string) => ({ role, content });
const said = (from: string, value: string) => ({ from, value });
const detect = (row: unknown, more: object = {}) => detectMapping(source(more), row, 'f:1');
const map = (row: object, more: object = {}) => mapRow(row, detect(row, more), 'f:1');
function refuse(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('recognizing rows', () => {
  const [user, assistant] = [turn('user', 'a'), turn('assistant', 'b')];
  it.each([
    [{ text: 'a' }, 'text'],
    [{ messages: [user] }, 'messages'],
    [{ conversations: [user] }, 'messages'],
    [{ messages: '[{"role":"user","content":"a"}]' }, 'messages'],
    [{ conversations: [said('human', 'a')] }, 'sharegpt'],
    [{ messages: [said('human', 'a')] }, 'sharegpt'],
    [{ instruction: 'a', input: '', output: 'b' }, 'alpaca'],
    [{ prompt: 'a', completion: 'b' }, 'prompt-completion'],
    [{ prompt: 'a', chosen: 'b', rejected: 'c' }, 'preference'],
    [{ chosen: [user, assistant], rejected: [user, turn('assistant', 'c')] }, 'preference'],
    [{ conversations: [said('human', 'a')], chosen: said('gpt', 'b'), rejected: said('gpt', 'c') }, 'preference'],
    [{ instruction: 'a', input: '', chosen: 'b', rejected: 'c' }, 'preference'],
  ])('%j is %s', (row, type) => {
    const mapping = detect(row);
    expect(mapping.type).toBe(type);
    expect(mapping.unused).toEqual([]);
    expect(mapping.found).toContain('from its columns');
  });

  it('says what it found, from what, and what it leaves', () => {
    const mapping = detect(
      { question: 'a', answer: 'b', id: 1 },
      { columns: { prompt: 'question', completion: 'answer' } },
    );
    expect(mapping).toMatchObject({
      type: 'prompt-completion',
      found: 'prompt-completion rows { prompt: question, completion: answer }, from the mapped columns',
      unused: ['id'],
    });
    expect(detect('text of a file').found).toBe('text rows');
  });

  it('does not guess at what it does not know; it says what to write', () => {
    expect(refuse(() => detect({ question: 'a', answer: 'b' }))).toMatchObject({
      kind: 'data',
      where: 'f:1',
      hint: 'map them: columns: { prompt: question, completion: answer }',
    });
    expect(refuse(() => detect({ text: 'a', category: 'b' }))).toMatchObject({
      hint: expect.stringContaining('type: text'),
    });
    expect(refuse(() => detect({ instruction: 'a', input: '', output: 'b', text: 'c' }))).toMatchObject({
      hint: 'say which: type: alpaca or type: text',
    });
    expect(refuse(() => detect({ question: 'q', chosen: 'b', rejected: 'c' }))).toMatchObject({
      hint: 'say where it is: columns: { prompt: question }',
    });
    expect(refuse(() => detect({ foo: 'a' }))).toMatchObject({ got: 'columns foo' });
    expect(refuse(() => detect({ foo: 'a' }, { columns: { text: 'body' } }))).toMatchObject({
      message: 'there is no column body',
      expected: 'body, which columns.text names',
    });
    expect(refuse(() => detect({ text: 'a' }, { type: 'messages' }))).toMatchObject({
      message: 'there is no column messages',
    });
    expect(refuse(() => detect('a', { type: 'alpaca' }))).toMatchObject({ kind: 'config' });
    const template = { prompt_template: '{prompt}' };
    expect(refuse(() => detect({ messages: [turn('user', 'a')] }, template))).toMatchObject({ kind: 'config' });
    expect(refuse(() => detect('a', template))).toMatchObject({ kind: 'config' });
  });

  it('finds optional columns that only later rows have', () => {
    const mapping = detect({ prompt: 'a', completion: 'b' });
    expect(mapRow({ prompt: 'a', completion: 'b', system: 's' }, mapping, 'f:2')).toMatchObject({ system: 's' });
    const swapped = detect({ system: 'a', completion: 'b' }, { columns: { prompt: 'system' } });
    expect(mapRow({ system: 'a', completion: 'b' }, swapped, 'f:1')).toEqual({
      type: 'prompt-completion',
      prompt: 'a',
      completion: 'b',
    });
  });
});

describe('mapping rows', () => {
  it('joins alpaca instructions and inputs, and keeps system texts', () => {
    expect(map({ instruction: 'a', input: 'b', output: 'c', system: 's' })).toEqual({
      type: 'prompt-completion',
      prompt: 'a\nb',
      completion: 'c',
      system: 's',
    });
    expect(map({ instruction: 'a', input: null, output: 'c' })).toMatchObject({ prompt: 'a' });
  });

  it('puts alpaca history before the instruction', () => {
    const row = { instruction: 'a', input: '', output: 'c', system: 's', history: [['q', 'r']] };
    const messages = [
      turn('system', 's'),
      turn('user', 'q'),
      turn('assistant', 'r'),
      turn('user', 'a'),
      turn('assistant', 'c'),
    ];
    expect(map(row)).toEqual({ type: 'messages', messages });
    expect(map({ ...row, history: [] })).toMatchObject({ type: 'prompt-completion' });
    expect(() => map({ ...row, history: ['q'] })).toThrow(/earlier turns/);
    expect(() => map(row, { prompt_template: '{prompt}' })).toThrow(/prompt_template/);
  });

  it('names ShareGPT speakers as roles', () => {
    const conversations = ['system', 'human', 'gpt', 'observation'].map((from) => said(from, from));
    expect(map({ conversations })).toMatchObject({
      messages: [
        turn('system', 'system'),
        turn('user', 'human'),
        turn('assistant', 'gpt'),
        turn('tool', 'observation'),
      ],
    });
    expect(() => map({ conversations: [said('cat', 'miau')] })).toThrow(/turn 1 is not a ShareGPT turn/);
  });

  it('makes tool calls of ShareGPT function calls, and keeps what turns say about the loss', () => {
    const call = { name: 'weather', arguments: { city: 'Rom' } };
    const conversations = [
      said('human', 'warm?'),
      said('function_call', JSON.stringify(call)),
      said('observation', '30'),
      { ...said('gpt', 'yes'), weight: 0 },
    ];
    const tool = { name: 'weather', description: 'd', parameters: {} };
    const wanted = {
      type: 'messages',
      messages: [
        turn('user', 'warm?'),
        { role: 'assistant', content: '', tool_calls: [{ type: 'function', function: call }] },
        turn('tool', '30'),
        { ...turn('assistant', 'yes'), weight: 0 },
      ],
      tools: [{ type: 'function', function: tool }],
    };
    expect(map({ conversations, tools: JSON.stringify([tool]) })).toEqual(wanted);
    expect(map({ conversations, tools: '[]' })).not.toHaveProperty('tools');
    expect(() => map({ conversations: [said('function_call', 'weather()')] })).toThrow(/turn 1 is not a function call/);
  });

  it('takes tools as a list or as JSON, and arguments of calls as objects', () => {
    const tools = [{ type: 'function', function: { name: 'f', parameters: {} } }];
    const call = (given: unknown) => ({ id: '1', type: 'function', function: { name: 'f', arguments: given } });
    const messages = [turn('user', 'a'), { role: 'assistant', content: null, tool_calls: [call('{"x":1}')] }];
    const wanted = {
      type: 'messages',
      messages: [turn('user', 'a'), { role: 'assistant', content: '', tool_calls: [call({ x: 1 })] }],
      tools,
    };
    expect(map({ messages, tools })).toEqual(wanted);
    expect(map({ messages, tools: JSON.stringify(tools) })).toEqual(wanted);
    expect(map({ messages, tools: null })).not.toHaveProperty('tools');
    expect(() => map({ messages, tools: 'f' })).toThrow(/not a list of tools/);
    expect(() => map({ messages, tools: ['f'] })).toThrow(/tool 1 is not a description/);
    const broken = [turn('user', 'a'), { role: 'assistant', content: '', tool_calls: [call('{"x":')] }];
    expect(map({ messages: broken })).toMatchObject({ messages: [{}, { tool_calls: [call('{"x":')] }] });
  });

  it('keeps train and weight of a message, and drops the nulls of tables', () => {
    const messages = [
      { ...turn('user', 'a'), name: null },
      { ...turn('assistant', 'b'), train: false },
      { ...turn('assistant', 'c'), weight: '0' },
    ];
    expect(map({ messages })).toEqual({
      type: 'messages',
      messages: [
        turn('user', 'a'),
        { ...turn('assistant', 'b'), train: false },
        { ...turn('assistant', 'c'), weight: 0 },
      ],
    });
    expect(() => map({ messages: [{ ...turn('user', 'a'), train: 'no' }] })).toThrow(/train of turn 1/);
    expect(() => map({ messages: [{ ...turn('user', 'a'), weight: -1 }] })).toThrow(/weight of turn 1/);
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
    const messages = [turn('user', 'a'), turn('assistant', 'b')];
    expect(map({ prompt: [messages[0]], completion: [messages[1]] })).toEqual({ type: 'messages', messages });
    expect(map({ prompt: [messages[0]], completion: 'b' })).toEqual({ type: 'messages', messages });
    expect(map({ prompt: 'a', completion: [messages[1]], system: 's' })).toEqual({
      type: 'messages',
      messages: [turn('system', 's'), ...messages],
    });
  });

  it('refuses cells of the wrong kind, at the row', () => {
    const mapping = detect({ text: 'a' });
    expect(() => mapRow({ text: null }, mapping, 'f:9')).toThrow(
      expect.objectContaining({ where: 'f:9', got: 'null' }),
    );
    expect(() => mapRow({ other: 1 }, mapping, 'f:9')).toThrow(/no column text/);
    expect(mapRow({ text: 7 }, mapping, 'f:9')).toEqual({ type: 'text', text: '7' });
    expect(() => map({ messages: [{ role: 'user' }] })).toThrow(/turn 1 is not a message/);
    expect(() => map({ messages: [turn('user', 'a'), { content: 'b' }] })).toThrow(/turn 2 is not a message/);
    expect(() => map({ messages: [turn('user', 'a'), null] })).toThrow(/turn 2 is not a message/);
    expect(() => map({ messages: [{ role: 'user', content: [null] }] })).toThrow(/turn 1 is not a message/);
    const conversations = [said('system', 'a'), said('human', 'b')];
    expect(() => map({ conversations, system: 'other' })).toThrow(/two system texts/);
    expect(map({ conversations, system: 'a' })).toMatchObject({ messages: [turn('system', 'a'), turn('user', 'b')] });
  });
});

describe('mapping preferences', () => {
  const [q, good, bad] = [turn('user', 'q'), turn('assistant', 'good'), turn('assistant', 'bad')];
  const dialog = { type: 'preference', prompt: [q], chosen: [good], rejected: [bad] };

  it('keeps texts as texts', () => {
    expect(map({ prompt: 'q', chosen: 'good', rejected: 'bad', system: 's' })).toEqual({
      type: 'preference',
      prompt: 'q',
      chosen: 'good',
      rejected: 'bad',
      system: 's',
    });
    expect(map({ instruction: 'q', input: 'i', chosen: 'good', rejected: 'bad' })).toMatchObject({ prompt: 'q\ni' });
  });

  it.each([
    ['explicit messages', { prompt: [q], chosen: [good], rejected: [bad] }],
    ['an implicit prompt', { chosen: [q, good], rejected: [q, bad] }],
    ['a prompt that the answers repeat', { prompt: [q], chosen: [q, good], rejected: [q, bad] }],
    ['a text that the answers repeat', { prompt: 'q', chosen: [q, good], rejected: [q, bad] }],
    ['a text and answers as messages', { prompt: 'q', chosen: [good], rejected: [bad] }],
    ['messages and answers as texts', { prompt: [q], chosen: 'good', rejected: 'bad' }],
    ['one message each', { prompt: [q], chosen: good, rejected: bad }],
    [
      'the ranking form of LLaMA-Factory',
      { conversations: [said('human', 'q')], chosen: said('gpt', 'good'), rejected: said('gpt', 'bad') },
    ],
  ])('reads %s', (_, row) => {
    expect(map(row)).toEqual(dialog);
    expect(map({ ...row, system: 's' })).toEqual({ ...dialog, prompt: [turn('system', 's'), q] });
  });

  it('keeps all that both answers begin with', () => {
    const begin = [q, turn('assistant', 'x'), turn('user', 'r')];
    expect(map({ chosen: [...begin, good], rejected: [...begin, bad] })).toEqual({ ...dialog, prompt: begin });
  });

  it.each([
    ['answers that are the same', { prompt: 'q', chosen: 'a', rejected: 'a' }, /are the same/],
    ['no common prompt', { chosen: [q, good], rejected: [turn('user', 'r'), bad] }, /no answer to a prompt/],
    ['an answer that is missing', { chosen: [q, good], rejected: [q] }, /rejected has no answer/],
    [
      'another prompt than the answers have',
      { prompt: 'z', chosen: [q, good], rejected: [q, bad] },
      /not the last user turn/,
    ],
    ['a prompt that is an answer', { prompt: [q, good], chosen: [good], rejected: [bad] }, /ends with an answer/],
    ['an answer of the user', { prompt: [q], chosen: [turn('user', 'x')], rejected: [bad] }, /chosen has no answer/],
    ['a number of things', { prompt: 'q', chosen: { a: 1 }, rejected: 'b' }, /chosen is not text/],
  ])('refuses %s', (_, row, message) => {
    expect(() => map(row, { type: 'preference' })).toThrow(message);
  });
});
