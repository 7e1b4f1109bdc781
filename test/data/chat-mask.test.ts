import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeChat } from '../../src/data/chat-mask.ts';
import { Encoder } from '../../src/data/encode.ts';
import { SpecialTokens } from '../../src/data/special-tokens.ts';
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
      const special = new SpecialTokens(tokenizer);
      const cases = golden.cases.filter((item) => item.template === name);
      expect(cases.length).toBeGreaterThan(5);
      for (const item of cases) {
        const tokens = encodeChat(item.messages, tokenizer, special, 'answers');
        expect(tokens.inputIds, item.name).toEqual(item.input_ids);
        expect(tokens.isTarget, item.name).toEqual(item.mask);
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
    expect(special.foundIn({ type: 'text', text: 'a <|im_en b' })).toBeUndefined();
  });
});
