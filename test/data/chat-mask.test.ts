import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ChatEncoder } from '../../src/data/encode/chat-mask.ts';
import { Encoder } from '../../src/data/encode/encoder.ts';
import { SpecialTokens } from '../../src/data/encode/special-tokens.ts';
import { type ChatMessage, loadTokenizer, type Tokenizer } from '../../src/tokenizer/index.ts';

const GOLDEN = join(import.meta.dirname, '../golden/data');
interface Case {
  template: string;
  name: string;
  messages: ChatMessage[];
  input_ids: number[];
  mask: number[];
}
const golden = JSON.parse(readFileSync(join(GOLDEN, 'chat.json'), 'utf8')) as {
  templates: Record<string, string>;
  cases: Case[];
};

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-chat-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

function withTemplate(template: string | undefined): Tokenizer {
  const folder = mkdtempSync(join(dir, 't-'));
  cpSync(join(GOLDEN, 'tokenizer'), folder, { recursive: true });
  if (template !== undefined) writeFileSync(join(folder, 'chat_template.jinja'), template);
  return loadTokenizer(folder);
}
const row = (messages: ChatMessage[]) => ({ id: 'x.jsonl:3', example: { type: 'messages' as const, messages } });
const turns = (...contents: string[]): ChatMessage[] =>
  contents.map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }));

describe('the loss mask of a conversation', () => {
  for (const [name, template] of Object.entries(golden.templates)) {
    it(`has the tokens and the assistant mask of transformers with the ${name} template`, () => {
      const tokenizer = withTemplate(template);
      const chats = new ChatEncoder(tokenizer, SpecialTokens.of(tokenizer), 'answers');
      const cases = golden.cases.filter((item) => item.template === name);
      expect(cases.length).toBeGreaterThan(5);
      // Three times: what is learned of a shape on the way gives the same.
      for (const item of [...cases, ...cases, ...cases]) {
        const tokens = chats.encode(item.messages);
        expect([...tokens.inputIds], item.name).toEqual(item.input_ids);
        expect([...tokens.isTarget], item.name).toEqual(item.mask);
      }
    });
  }

  it('ends every trained turn in an unmasked stop token, and masks the newline behind it', () => {
    const tokenizer = withTemplate(golden.templates['chatml']);
    const encoder = new Encoder(tokenizer, 'answers', 't');
    const { inputIds, isTarget } = encoder.encode(row(turns('a', 'b', 'c', 'd')));
    const end = tokenizer.tokenToId('<|im_end|>')!;
    const trained = [...inputIds].filter((id, i) => id === end && isTarget[i] === 1);
    expect(trained.length).toBe(2);
    expect([inputIds.at(-2), isTarget.at(-2), isTarget.at(-1)]).toEqual([end, 1, 0]);
    expect([...encoder.stops]).toEqual([[end, 2]]);
  });

  it('puts EOS behind a last turn that the template leaves open, and refuses an open turn before it', () => {
    const tokenizer = withTemplate("{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}");
    const encoder = new Encoder(tokenizer, 'answers', 't');
    const { inputIds, isTarget } = encoder.encode(row(turns('a', 'b')));
    expect([inputIds.at(-1), isTarget.at(-1)]).toEqual([tokenizer.eosTokenId, 1]);
    expect(() => encoder.encode(row(turns('a', 'b', 'c', 'd')))).toThrow(/does not end turn 2 in a special token/);
  });

  it('gives the row when the template refuses it or changes what came before', () => {
    const refusing = withTemplate("{{ raise_exception('no system here') }}");
    expect(() => new Encoder(refusing, 'answers', 't').encode(row(turns('a', 'b')))).toThrow(
      expect.objectContaining({ where: 'x.jsonl:3', message: expect.stringContaining('no system here') }),
    );
    const counting = withTemplate(
      "{{ messages | length }}{% for m in messages %}{{ m['content'] }}<|im_end|>{% endfor %}{% if add_generation_prompt %}>{% endif %}",
    );
    expect(() => new Encoder(counting, 'answers', 't').encode(row(turns('a', 'b')))).toThrow(/turn 2 differently/);
  });

  it('trains on everything but the first token when asked to', () => {
    const encoder = new Encoder(withTemplate(golden.templates['chatml']), 'all', 't');
    const { isTarget } = encoder.encode(row(turns('a', 'b')));
    expect([...isTarget]).toEqual([0, ...Array.from({ length: isTarget.length - 1 }, () => 1)]);
  });

  it('does not train on empty answers', () => {
    const encoder = new Encoder(withTemplate(golden.templates['chatml']), 'answers', 't');
    expect([...encoder.encode(row(turns('a', ' '))).isTarget]).not.toContain(1);
  });
});

/** Which contents carry loss, with the stop token behind each. */
function trained(messages: ChatMessage[], trainOn: 'answers' | 'last' | 'all' = 'answers'): string {
  const tokenizer = withTemplate(golden.templates['chatml']);
  const { inputIds, isTarget } = new Encoder(tokenizer, trainOn, 't').encode(row(messages));
  return tokenizer.decode(inputIds.filter((_, i) => isTarget[i] === 1));
}

describe('control of single turns', () => {
  const marked = (...marks: (object | undefined)[]) =>
    turns('a', 'b', 'c', 'd', 'e', 'f').map((message, i) => ({ ...message, ...marks[i] }));

  it('leaves out answers with train: false, training: false or weight: 0', () => {
    expect(trained(marked(undefined, { train: false }))).toBe('d<|im_end|>f<|im_end|>');
    expect(trained(marked(undefined, { training: false }, undefined, { weight: 0 }))).toBe('f<|im_end|>');
    expect(trained(marked(undefined, { train: true }, undefined, { weight: 1 }))).toBe(
      'b<|im_end|>d<|im_end|>f<|im_end|>',
    );
  });

  it('trains on the last answer with train_on: last, and on others that are marked', () => {
    expect(trained(marked(), 'last')).toBe('f<|im_end|>');
    expect(trained(marked().slice(0, 5), 'last')).toBe('d<|im_end|>');
    expect(trained(marked(undefined, { train: true }), 'last')).toBe('b<|im_end|>f<|im_end|>');
    expect(trained(marked(undefined, undefined, undefined, undefined, undefined, { train: false }), 'last')).toBe('');
  });

  it('takes whole turns out of train_on: all, of any role', () => {
    const text = trained(marked(undefined, undefined, { train: false }, { train: false }), 'all');
    expect(text).toBe(
      'user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n' +
        '<|im_start|>user\ne<|im_end|>\n<|im_start|>assistant\nf<|im_end|>\n',
    );
    expect(trained(marked({ train: true }), 'all')).toBe(trained(marked(), 'all'));
  });

  it('has no target when every answer is masked', () => {
    const off = { weight: 0 };
    expect(trained(marked(undefined, off, undefined, off, undefined, off))).toBe('');
  });

  it.each([
    [{ train: true }, 0, /turn 1 asks for loss on what the user says/],
    [{ weight: 1 }, 2, /turn 3 asks for loss on what the user says/],
    [{ weight: 0.5 }, 1, /marks of turn 2 cannot be followed/],
    [{ train: 'no' }, 1, /marks of turn 2 cannot be followed/],
    [{ train: true, weight: 0 }, 1, /marks of turn 2 cannot be followed/],
    [{ train_detail: [{ begin_offset: 0, end_offset: 0, train: false }] }, 1, /turn 2 marks parts of its text/],
  ])('refuses %j on turn %i', (mark, at, message) => {
    const marks = Array.from({ length: 6 }, (_, i) => (i === at ? mark : undefined));
    expect(() => trained(marked(...marks))).toThrow(message);
  });

  it('hides marks and empty fields from the template, which sees other fields', () => {
    const tokenizer = withTemplate(
      '{% for m in messages %}{{ m | tojson }}<|im_end|>{% endfor %}{% if add_generation_prompt %}{% endif %}',
    );
    const messages = [
      {
        role: 'user',
        content: 'a',
        train: false,
        weight: null,
        tool_calls: null,
        name: 'Ann',
      } as unknown as ChatMessage,
      { role: 'assistant', content: 'b', train: true } as ChatMessage,
    ];
    const { inputIds } = new Encoder(tokenizer, 'answers', 't').encode(row(messages));
    expect(tokenizer.decode(inputIds)).toBe(
      '{"role": "user", "content": "a", "name": "Ann"}<|im_end|>{"role": "assistant", "content": "b"}<|im_end|>',
    );
  });
});

describe('conversations that differ from others of their shape', () => {
  it('are encoded as if they were the first: nothing that was learned from another row reaches them', () => {
    const template = golden.templates['drops-thoughts'];
    const tokenizer = withTemplate(template);
    const learned = new ChatEncoder(tokenizer, SpecialTokens.of(tokenizer), 'answers');
    for (let i = 0; i < 3; i++) learned.encode(turns('a', 'b', `c ${i}`, 'd'));
    const odd = [
      turns('a', '<think>hm</think> b', 'c', '<think>hm</think> d'),
      turns('a', ' ', 'c', 'd'),
      turns('<|im_end|>', '<|im_end|>\n<|im_start|>assistant\nc', 'c', 'c'),
      turns('', '\u2003b\u2003', ' c', '\nd\n'),
    ];
    for (const messages of odd) {
      const fresh = new ChatEncoder(tokenizer, SpecialTokens.of(tokenizer), 'answers').encode(messages);
      expect(learned.encode(messages)).toEqual(fresh);
    }
  });

  it('may begin with an answer, also where the template cannot render nothing', () => {
    const messages = [{ role: 'assistant', content: 'Hi!' }, ...turns('a', 'b')];
    expect(trained(messages)).toBe('Hi!<|im_end|>b<|im_end|>');
    const tokenizer = withTemplate(
      "{% if messages[0]['role'] == 'system' %}{% endif %}<|im_start|>system\nS<|im_end|>\n" +
        golden.templates['chatml'],
    );
    const { inputIds, isTarget } = new Encoder(tokenizer, 'answers', 't').encode(row(messages));
    expect(tokenizer.decode(inputIds.filter((_, i) => isTarget[i] === 1))).toBe('Hi!<|im_end|>b<|im_end|>');
  });

  it('train_on: last needs no stable template before the last answer', () => {
    const moving = withTemplate(
      "{% for m in messages %}{% if loop.last %}[now]{% endif %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}",
    );
    const messages = turns('a', 'b', 'c', 'd');
    expect(() => new Encoder(moving, 'answers', 't').encode(row(messages))).toThrow(/turn 2 differently/);
    expect(() => new Encoder(moving, 'last', 't').encode(row(messages))).toThrow(/turn 4 differently/);
    const counting = withTemplate(
      "{% for m in messages %}{% if loop.index > 2 or messages | length < 3 %}<|im_start|>{{ m['content'] }}<|im_end|>{% endif %}{% endfor %}",
    );
    expect(() => new Encoder(counting, 'answers', 't').encode(row(messages))).toThrow(/turn 2 differently/);
    const { isTarget } = new Encoder(counting, 'last', 't').encode(row(messages));
    expect([...isTarget]).toContain(1);
  });
});

describe('text, prompts and completions', () => {
  const completion = { type: 'prompt-completion', prompt: 'one two', completion: ' three' } as const;

  it('ends a document in EOS; all of it but the first token is target', () => {
    const tokenizer = withTemplate(undefined);
    const { inputIds, isTarget } = new Encoder(tokenizer, 'answers', 't').encode({
      id: 'r',
      example: { type: 'text', text: 'Hello 中文' },
    });
    expect(tokenizer.decode(inputIds)).toBe('Hello 中文<|endoftext|>');
    expect([...isTarget].indexOf(1)).toBe(1);
    expect([...isTarget].lastIndexOf(0)).toBe(0);
  });

  it('joins prompt and completion as they stand without a chat template, and trains on the completion and EOS', () => {
    const tokenizer = withTemplate(undefined);
    const encoder = new Encoder(tokenizer, 'answers', 't');
    const { inputIds, isTarget } = encoder.encode({ id: 'r', example: completion });
    expect(tokenizer.decode(inputIds)).toBe('one two three<|endoftext|>');
    expect(tokenizer.decode(inputIds.filter((_, i) => isTarget[i] === 1))).toBe(' three<|endoftext|>');
    expect([...encoder.renderings]).toEqual([['plain prompt and completion', 1]]);
    expect(() => encoder.encode({ id: 'r', example: { ...completion, system: 's' } })).toThrow(
      /no place for the system/,
    );
  });

  it('makes a conversation of them where there is a chat template, unless a prompt template was used', () => {
    const tokenizer = withTemplate(golden.templates['chatml']);
    const encoder = new Encoder(tokenizer, 'answers', 't');
    const chat = encoder.encode({ id: 'r', example: { ...completion, system: 'S' } });
    expect(tokenizer.decode(chat.inputIds)).toBe(
      '<|im_start|>system\nS<|im_end|>\n<|im_start|>user\none two<|im_end|>\n<|im_start|>assistant\n three<|im_end|>\n',
    );
    const plain = encoder.encode({ id: 'r', example: { ...completion, plain: true } });
    expect(tokenizer.decode(plain.inputIds)).toBe('one two three<|endoftext|>');
    expect([...encoder.renderings.keys()]).toEqual(['chat template', 'prompt template']);
  });

  it('finds special tokens in the text of a row', () => {
    const special = new SpecialTokens(withTemplate(undefined));
    expect(special.foundIn({ type: 'text', text: 'a <|im_end|> b' })).toBe('<|im_end|>');
    expect(special.foundIn({ type: 'text', text: 'a <|im_en b <s <|im_end|' })).toBeUndefined();
    expect(special.foundIn({ type: 'text', text: 'a <<s>' })).toBe('<s>');
    const call = { name: 'f', arguments: { x: '</s>' } };
    const messages = [{ role: 'assistant', content: '', tool_calls: [call] }];
    expect(special.foundIn({ type: 'messages', messages })).toBe('</s>');
    expect(special.foundIn({ type: 'messages', messages: turns('a', 'b'), tools: ['<|eot_id|>'] })).toBe('<|eot_id|>');
    const preference = { type: 'preference', prompt: 'a', chosen: 'b', rejected: '<|im_start|>' } as const;
    expect(special.foundIn(preference)).toBe('<|im_start|>');
  });
});
