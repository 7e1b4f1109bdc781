import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LlmkitError } from '../../src/core/errors.ts';
import { loadTokenizer } from '../../src/tokenizer/load.ts';
import { copyTokenizer, saveTokenizer } from '../../src/tokenizer/save.ts';
import { trainBpe } from '../../src/tokenizer/train.ts';
import type { TokenizerJson } from '../../src/tokenizer/types.ts';
import { readFixture, sharedPath } from './fixture.ts';

interface Fixture {
  texts: string[];
  tokenizers: Record<string, TokenizerJson>;
  cases: {
    name: string;
    config: Record<string, unknown>;
    files: Record<string, string>;
    tokenizer: string;
    bos: number | null;
    eos: number | null;
    pad: number | null;
    ids: number[][];
    plain: number[][];
    decoded: string[];
    chat: string | null;
  }[];
}
const fixture = readFixture<Fixture>('load.json.gz');

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-tokenizer-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function write(files: Record<string, unknown>): string {
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(dir, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return dir;
}

describe('loading a tokenizer folder', () => {
  test.each(fixture.cases)(
    'is as in transformers: $name',
    ({ tokenizer: of, config, files, bos, eos, pad, ...expected }) => {
      const tokenizer = loadTokenizer(
        write({ 'tokenizer.json': fixture.tokenizers[of], 'tokenizer_config.json': config, ...files }),
      );
      const ours = of !== 'unigram';
      expect(tokenizer.implementation).toBe(ours ? 'llmkit byte-level BPE' : '@huggingface/tokenizers');
      expect(tokenizer.fallbackReason).toBe(ours ? undefined : 'its model is Unigram');
      expect([tokenizer.bosTokenId, tokenizer.eosTokenId, tokenizer.padTokenId]).toEqual(
        [bos, eos, pad].map((id) => id ?? undefined),
      );
      for (const [k, text] of fixture.texts.entries()) {
        expect([...tokenizer.encode(text, { addSpecialTokens: true })]).toEqual(expected.ids[k]);
        expect([...tokenizer.encode(text)]).toEqual(expected.plain[k]);
        expect(tokenizer.decode(expected.ids[k]!, { skipSpecialTokens: true })).toBe(expected.decoded[k]);
        const stream = tokenizer.streamDecoder({ skipSpecialTokens: true });
        expect(expected.ids[k]!.map((id) => stream.push(id)).join('') + stream.flush()).toBe(expected.decoded[k]);
      }
      if (expected.chat === null) expect(() => tokenizer.applyChatTemplate([])).toThrow(/no chat template/);
      else expect(tokenizer.applyChatTemplate([{ role: 'user', content: 'hi' }])).toBe(expected.chat);
    },
  );

  test('the library path refuses unknown ids as well', () => {
    const tokenizer = loadTokenizer(write({ 'tokenizer.json': fixture.tokenizers['unigram'] }));
    expect(tokenizer.decode([])).toBe('');
    expect(() => tokenizer.decode([100_000])).toThrow(/100000 is not in the vocabulary/);
  });

  test('a split pattern that our own encoder cannot read is left to the library, and that is said', () => {
    const json = structuredClone(fixture.tokenizers['bpe']!);
    const pattern = { Regex: String.raw`[a-z&&[^aeiou]]+|\s+` };
    json.pre_tokenizer = {
      type: 'Sequence',
      pretokenizers: [{ type: 'Split', pattern, behavior: 'Isolated', invert: false }, json.pre_tokenizer],
    };
    const tokenizer = loadTokenizer(write({ 'tokenizer.json': json }));
    expect(tokenizer.implementation).toBe('@huggingface/tokenizers');
    expect(tokenizer.fallbackReason).toMatch(/a character class inside another/);
  });

  test('model_max_length is kept, transformers\' "very large" is not', () => {
    const json = fixture.tokenizers['bpe'];
    const length = (value: unknown): number | undefined =>
      loadTokenizer(write({ 'tokenizer.json': json, 'tokenizer_config.json': { model_max_length: value } }))
        .modelMaxLength;
    expect(length(512)).toBe(512);
    expect(length(1e30)).toBeUndefined();
  });
});

describe('a saved tokenizer', () => {
  const options = { vocabSize: 300, specialTokens: ['<s>', '</s>'], pretokenizer: 'llama3' } as const;
  const chatTemplate = "{% for m in messages %}{{ m['content'] }}{% endfor %}\n";

  test('loads as it was saved, and again after being copied', async () => {
    const json = await trainBpe(['the theory of the thing'], options);
    saveTokenizer(join(dir, 'a'), json, { bos: '<s>', eos: '</s>', pad: '</s>', chatTemplate, modelMaxLength: 256 });
    expect(copyTokenizer(join(dir, 'a'), join(dir, 'b'))).toEqual([
      'tokenizer.json',
      'tokenizer_config.json',
      'special_tokens_map.json',
      'chat_template.jinja',
    ]);
    const tokenizer = loadTokenizer(join(dir, 'b'));
    expect([tokenizer.bosTokenId, tokenizer.eosTokenId, tokenizer.padTokenId]).toEqual([0, 1, 1]);
    expect(tokenizer.chatTemplate).toBe(chatTemplate);
    expect(tokenizer.modelMaxLength).toBe(256);
    expect(JSON.parse(readFileSync(join(dir, 'b', 'tokenizer.json'), 'utf8'))).toEqual(json);
  });

  test('must have its special tokens in the vocabulary', async () => {
    const json = await trainBpe([], options);
    expect(() => saveTokenizer(dir, json, { eos: '<eos>' })).toThrow(/eos token "<eos>" is not in the vocabulary/);
  });

  test('copying from a folder without one is an error', () => {
    expect(() => copyTokenizer(dir, join(dir, 'b'))).toThrow(/no tokenizer.json/);
  });
});

describe('a damaged tokenizer', () => {
  const good = fixture.tokenizers['bpe']!;
  const changed = (change: (json: TokenizerJson) => unknown): TokenizerJson => {
    const json = structuredClone(good);
    change(json);
    return json;
  };
  const renamed = (json: TokenizerJson, from: string, to: string): void => {
    json.model.vocab[to] = json.model.vocab[from]!;
    delete json.model.vocab[from];
  };
  const whole = JSON.stringify(good, null, 2);

  test.each<[string, unknown, string, RegExp]>([
    ['cut off', whole.slice(0, 1000), `:${whole.slice(0, 1000).split('\n').length}:`, /ends in the middle/],
    ['with a stray comma', whole.replace('"truncation": null', '"truncation": ,'), ':3:', /not JSON/],
    ['empty', '', ':1:1', /ends in the middle/],
    ['a list', [], 'tokenizer.json', /does not hold a JSON object/],
    ['without a model', { version: '1.0' }, 'tokenizer.json: model', /model/],
    [
      'without a vocabulary',
      changed((j) => delete (j.model as Partial<typeof j.model>).vocab),
      'model.vocab',
      /model.vocab/,
    ],
    [
      'without merges',
      changed((j) => delete (j.model as Partial<typeof j.model>).merges),
      'model.merges',
      /model.merges/,
    ],
    ['with a negative id', changed((j) => (j.model.vocab['a'] = -1)), 'model.vocab["a"]', /not what it should be/],
    [
      'with an id given twice',
      changed((j) => (j.model.vocab['a'] = 70)),
      'model.vocab[',
      /id 70 belongs to two tokens/,
    ],
    [
      'with a far hole',
      changed((j) => (j.model.vocab['zz'] = 2_000_000_000)),
      'model.vocab',
      /most ids of the vocabulary are missing/,
    ],
    [
      'with lost tokens',
      changed((j) => j.added_tokens.push({ ...j.added_tokens[0]!, content: 'x y', id: 450 })),
      'added_tokens[3].id',
      /has the id 450, where HF tokenizers gives 400/,
    ],
    [
      'with an added token without id',
      changed((j) => j.added_tokens.push({ content: 'x' } as never)),
      'added_tokens[3]',
      /content and its id/,
    ],
    [
      'with a merge of three',
      changed((j) => (j.model.merges[5] = ['a', 'b', 'c'] as never)),
      'model.merges[5]',
      /must be two tokens/,
    ],
    [
      'with a merge part missing',
      changed((j) => (j.model.merges[5] = ['qqq', 'b'])),
      'model.merges[5]',
      /needs the token "qqq"/,
    ],
    [
      'with a merge result missing',
      changed((j) => renamed(j, j.model.merges[9]!.join(''), '@@')),
      'model.merges[9]',
      /which is missing/,
    ],
  ])('%s: the error says where and what to do', (_, content, where, message) => {
    write({ 'tokenizer.json': content });
    let caught: unknown;
    try {
      loadTokenizer(dir);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(LlmkitError);
    const { kind, message: said, where: place, hint, got } = caught as LlmkitError;
    expect(kind).toBe('data');
    expect(said).toMatch(message);
    expect(place).toContain(where);
    expect(hint ?? got).toBeTruthy();
  });

  test('not UTF-8', () => {
    writeFileSync(join(dir, 'tokenizer.json'), Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]));
    expect(() => loadTokenizer(dir)).toThrow(/not valid UTF-8/);
  });

  test('absent, or only in an older form', () => {
    expect(() => loadTokenizer(dir)).toThrow(
      expect.objectContaining({ kind: 'io', where: join(dir, 'tokenizer.json') }),
    );
    write({ 'vocab.json': '{}' });
    expect(() => loadTokenizer(dir)).toThrow(expect.objectContaining({ got: 'only the older vocab.json' }));
  });

  test('of a kind that nothing here reads', () => {
    const json = { ...good, model: { type: 'Mystery', vocab: {} } };
    expect(() => loadTokenizer(write({ 'tokenizer.json': json }))).toThrow(/this tokenizer cannot be used/);
  });

  test('a special token that the vocabulary lacks', () => {
    write({ 'tokenizer.json': good, 'tokenizer_config.json': { eos_token: '<|nope|>' } });
    expect(() => loadTokenizer(dir)).toThrow(
      expect.objectContaining({ kind: 'data', where: `${join(dir, 'tokenizer_config.json')}: eos_token` }),
    );
  });

  test('a chat template with a syntax error', () => {
    write({ 'tokenizer.json': good, 'chat_template.jinja': 'a\n{% if x %}' });
    expect(() => loadTokenizer(dir)).toThrow(
      expect.objectContaining({ kind: 'data', where: `${join(dir, 'chat_template.jinja')}:2:1` }),
    );
  });
});

const base = sharedPath('models', 'base-16m');
describe.skipIf(base === undefined)('base-16m', () => {
  test('loads with its special tokens, and its held-out text comes back', () => {
    const tokenizer = loadTokenizer(base!);
    expect(tokenizer.implementation).toBe('llmkit byte-level BPE');
    expect(tokenizer.vocabSize).toBe(8192);
    expect([tokenizer.bosTokenId, tokenizer.eosTokenId, tokenizer.padTokenId]).toEqual([0, 0, 3]);
    expect(tokenizer.modelMaxLength).toBeUndefined();
    const chat = [{ role: 'user', content: 'Hi' }];
    expect(tokenizer.applyChatTemplate(chat, { addGenerationPrompt: true })).toBe(
      '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n',
    );
    const text = readFileSync(join(base!, 'holdout.json'), 'utf8');
    const ids = tokenizer.encode(text);
    expect(tokenizer.decode(ids)).toBe(text);
    expect(ids.length).toBeLessThan(text.length / 2);
  });
});
