import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ChatEncoder } from '../../src/data/encode/chat-mask.ts';
import { SpecialTokens } from '../../src/data/encode/special-tokens.ts';
import { isOpaque, readTemplate } from '../../src/data/encode/template-reading.ts';
import { type ChatMessage, loadTokenizer, type Tokenizer } from '../../src/tokenizer/index.ts';

const GOLDEN = join(import.meta.dirname, '../golden/data');
const templatesOf = (file: string) =>
  (JSON.parse(readFileSync(join(GOLDEN, file), 'utf8')) as { templates: Record<string, string> }).templates;

/** As reasoning models have it: blocks of thought in the turns after the last question only. */
const THINKING = `
{%- set ns = namespace(asking=true, last=messages | length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages | length - 1) - loop.index0 %}
    {%- if ns.asking and message.role == 'user' and message.content is string and not (message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.asking = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set content = message.content if message.content is string else '' %}
    {%- if message.role == 'assistant' %}
        {%- set thought = '' %}
        {%- if '</think>' in content %}
            {%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {{- '<|im_start|>assistant\\n' }}
        {%- if loop.index0 > ns.last and (loop.last or thought) %}{{- '<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' }}{%- endif %}
        {{- content.lstrip('\\n') + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}`;
/** Looks at contents in a way that no list of words covers. */
const LONG =
  '{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.content | length > 6 %}LONG {% endif %}{{ m.content }}<|im_end|>\n{% endfor %}' +
  '{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}';
const templates = { ...templatesOf('chat.json'), ...templatesOf('tools.json'), thinking: THINKING, long: LONG };

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-reading-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

function withTemplate(template: string): Tokenizer {
  const folder = mkdtempSync(join(dir, 't-'));
  cpSync(join(GOLDEN, 'tools-tokenizer'), folder, { recursive: true });
  writeFileSync(join(folder, 'chat_template.jinja'), template);
  return loadTokenizer(folder);
}
const encoder = (tokenizer: Tokenizer) => new ChatEncoder(tokenizer, SpecialTokens.of(tokenizer), 'answers');
const turns = (...contents: string[]): ChatMessage[] =>
  contents.map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }));

describe('what a template looks for in contents', () => {
  it.each([
    ['chatml', []],
    ['llama3', []],
    ['plain-eos', []],
    ['drops-thoughts', ['</think>']],
    ['qwen', []],
    ['llama3.1', []],
    ['hermes', []],
    ['mistral', []],
    ['gemma', []],
    ['thinking', ['<tool_response>', '</tool_response>', '</think>', '<think>']],
    ['long', undefined],
  ] as [keyof typeof templates, string[] | undefined][])('%s: %j', (name, words) => {
    expect(readTemplate(templates[name]!)?.words).toEqual(words);
  });

  it.each([
    '{% if messages[0].content == messages[1].content %}x{% endif %}',
    "{% if messages[0].content in 'abc' %}x{% endif %}",
    '{% if messages[0].content > messages[1].role %}x{% endif %}',
    '{{ messages[0].content[0] }}',
    '{{ messages[0].content | wordcount }}',
    '{{ messages[0].content.split() | length }}',
    "{{ messages[0].content.find('x') }}",
    "{% set c = 'a' + messages[0].content %}{% if 'ab' in c %}x{% endif %}",
    '{% set ns = namespace(c=messages[0].content) %}{% if ns.c | length > 3 %}x{% endif %}',
    '{% macro f(c) %}{% if c | length > 3 %}x{% endif %}{% endmacro %}{{ f(messages[0].content) }}',
    "{% set field = 'con' + 'tent' %}{{ messages[0][field] }}",
    '{% for key, value in messages[0].items() %}{{ value }}{% endfor %}',
    '{{ messages | map(attribute="content") | join | length }}',
  ])('is not known of %s', (template) => {
    expect(readTemplate(template)).toBeUndefined();
  });

  it('does not matter to contents without the words and without white space at their ends', () => {
    const reading = { words: ['</think>'] };
    for (const content of ['a', 'a b', '“中文”。', '😀', 'x\n\ny']) expect(isOpaque(content, reading)).toBe(true);
    const others = [
      '',
      ' ',
      'a ',
      '\na',
      'a\u0085',
      '\u3000a',
      'a\u2028',
      'a</think>b',
      '\ufeffa',
      'a\u001f',
      'a\u00a0',
    ];
    for (const content of others) expect(isOpaque(content, reading)).toBe(false);
  });
});

describe.each(Object.entries(templates))('conversations of a shape seen before (%s)', (name, template) => {
  it('have the tokens and targets that they have on their own', () => {
    const tokenizer = withTemplate(template);
    const learned = encoder(tokenizer);
    const piece = fc.constantFrom(
      ...('a|model| |\n|\t|\u3000|\u0085|中|。|"|\\|<|😀|</think>|<think>|1|{{'.split('|') as [string]),
      '<|im_end|>',
      '<|im_start|>assistant\n',
      '<tool_response>',
      '</tool_response>',
      '<end_of_turn>',
    );
    const content = fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join(''));
    const conversation = fc
      .tuple(fc.boolean(), fc.array(fc.tuple(content, content), { minLength: 1, maxLength: 3 }))
      .map(([system, pairs]) => [
        ...(system ? [{ role: 'system', content: 'S' }] : []),
        ...pairs.flatMap(([question, answer]) => turns(question, answer)),
      ]);
    const outcome = (chats: ChatEncoder, messages: ChatMessage[]) => {
      try {
        return chats.encode(messages);
      } catch (error) {
        return String(error);
      }
    };
    fc.assert(
      fc.property(conversation, (messages) => {
        expect(outcome(learned, messages)).toEqual(outcome(encoder(tokenizer), messages));
      }),
      { numRuns: 300 },
    );
  });

  it('need no rendering where the template does not look at contents', () => {
    const tokenizer = withTemplate(template);
    const chats = encoder(tokenizer);
    const rendered = vi.spyOn(tokenizer, 'applyChatTemplate');
    const calls = [1, 2, 3, 4].map((i) => {
      rendered.mockClear();
      chats.encode(turns(`question ${i}`, `answer ${i}`, 'more', 'less'));
      return rendered.mock.calls.length;
    });
    // The first as it is, then a stand-in; `long` does not show rows as it shows the stand-in.
    expect(calls).toEqual(name === 'long' ? [4, 8, 4, 4] : [4, 4, 0, 0]);
  });
});
