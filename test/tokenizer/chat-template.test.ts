import { describe, expect, test } from 'vitest';
import { ChatTemplate, strftime } from '../../src/tokenizer/chat-template.ts';
import type { ChatMessage } from '../../src/tokenizer/types.ts';
import { readFixture } from './fixture.ts';

interface Fixture {
  templates: Record<string, string>;
  chats: Record<string, ChatMessage[]>;
  tools: unknown;
  cases: {
    template: string;
    chat: string;
    tools: boolean;
    prompt: boolean;
    variables: Record<string, unknown>;
    text?: string;
    refusal?: string;
  }[];
}
const fixture = readFixture<Fixture>('chat.json.gz');
const SPECIAL = { bos_token: '<s>', eos_token: '</s>' };

describe('chat templates', () => {
  test.each(Object.keys(fixture.templates))('render as in transformers: %s', (name) => {
    const template = new ChatTemplate(fixture.templates[name]!, 'chat_template.jinja');
    for (const { template: of, chat, tools, prompt, variables, text, refusal } of fixture.cases) {
      if (of !== name) continue;
      const render = (): string =>
        template.render(fixture.chats[chat]!, SPECIAL, {
          addGenerationPrompt: prompt,
          variables,
          ...(tools ? { tools: fixture.tools } : {}),
        });
      if (refusal === undefined) expect([chat, tools, variables, render()]).toEqual([chat, tools, variables, text]);
      else expect(render).toThrow(`the chat template refuses: ${refusal}`);
    }
  });

  test('a refusal names the template, the roles and what to do', () => {
    const template = new ChatTemplate("{{ raise_exception('no system role') }}", 'dir/chat_template.jinja');
    expect(() => template.render([{ role: 'system', content: 'x' }], {}, {})).toThrow(
      expect.objectContaining({ kind: 'data', where: 'dir/chat_template.jinja', got: 'messages of the roles system' }),
    );
  });

  test.each([
    ['a\n{% if x %}\nb', 2, 1, /no endif/],
    ['{% for m in messages %}\n{{ m.content }\n{% endfor %}', 2, 1, /not closed|Unexpected/],
    ['ok\n  {{ m[ }}', 2, 3, /./],
    ['{% if x %}\n{% endfor %}', 2, 1, /endfor where endif/],
    ['x\n\n{% endif %}', 3, 1, /not begun/],
    ['{% frobnicate x %}', 1, 1, /./],
    ['a {# never closed', 1, 3, /not closed/],
    ["{% set x = 'a' %}\n{% for m of messages %}{% endfor %}", 2, 1, /./],
  ])('a syntax error is found in its place: %j', (source, line, column, message) => {
    const where = `chat_template.jinja:${line}:${column}`;
    const compile = (): ChatTemplate => new ChatTemplate(source, 'chat_template.jinja');
    expect(compile).toThrow(expect.objectContaining({ kind: 'data', where }));
    expect(compile).toThrow(message);
  });

  test('strftime writes English months whatever the locale', () => {
    const date = new Date(2024, 6, 5, 15, 4, 9);
    expect(strftime(date, '%d %b %Y | %B %A %a %y-%m | %H:%M:%S %I %p 100%% %Q')).toBe(
      '05 Jul 2024 | July Friday Fri 24-07 | 15:04:09 03 PM 100% %Q',
    );
    const template = new ChatTemplate("{{ strftime_now('%Y') }}", 'x');
    expect(template.render([], {}, {})).toBe(String(new Date().getFullYear()));
  });
});
