import { describe, expect, test } from 'vitest';
import { countWords } from '../../src/tokenizer/count-words.ts';
import { tokenizerFromJson } from '../../src/tokenizer/load.ts';
import { type PretokenizerName, trainBpe, trainFromCounts } from '../../src/tokenizer/train.ts';
import { readFixture } from './fixture.ts';

interface Fixture {
  versions: Record<string, string>;
  texts: Record<string, string[]>;
  cases: {
    text: string;
    vocabSize: number;
    pretokenizer: PretokenizerName;
    special: string[];
    options: { min_frequency?: number; max_token_length?: number };
    tokens: string[];
    merges: [string, string][];
    ids: number[][];
  }[];
}
const fixture = readFixture<Fixture>('train.json.gz');

describe('training BPE', () => {
  test.each(fixture.cases)(
    'learns the merges and ids of HF tokenizers: $text, $pretokenizer, $vocabSize, $options',
    async ({ text, vocabSize, pretokenizer, special, options, tokens, merges, ids }) => {
      const json = await trainBpe(fixture.texts[text]!, {
        vocabSize,
        specialTokens: special,
        pretokenizer,
        ...(options.min_frequency === undefined ? {} : { minFrequency: options.min_frequency }),
        ...(options.max_token_length === undefined ? {} : { maxTokenLength: options.max_token_length }),
      });
      const byId = Object.entries(json.model.vocab).sort((a, b) => a[1] - b[1]);
      expect(byId.map(([token]) => token)).toEqual(tokens);
      expect(json.model.merges).toEqual(merges);
      const tokenizer = tokenizerFromJson(json);
      expect(tokenizer.implementation).toBe('llmkit byte-level BPE');
      for (const [k, expected] of ids.entries()) {
        expect([...tokenizer.encode(fixture.texts[text]![k]!)]).toEqual(expected);
      }
    },
  );

  test('reads an asynchronous stream and tells its progress', async () => {
    async function* stream(): AsyncGenerator<string> {
      for (let i = 0; i < 3000; i++) yield `line ${i % 10} of text`;
    }
    const told: string[] = [];
    const options = { vocabSize: 300, specialTokens: ['<s>'], pretokenizer: 'gpt2' } as const;
    const json = await trainBpe(stream(), {
      ...options,
      onProgress: ({ stage, current }) => told.push(`${stage} ${current}`),
    });
    const all: string[] = [];
    for await (const line of stream()) all.push(line);
    expect(json).toEqual(await trainBpe(all, options));
    expect(told).toContain('count 1024');
    expect(told).toContain('count 3000');
    expect(told.some((line) => line.startsWith('merge'))).toBe(true);
  });

  test('every byte has a token, so any text comes back', async () => {
    const json = await trainBpe(['x'], { vocabSize: 257, specialTokens: ['<s>'], pretokenizer: 'llama3' });
    const tokenizer = tokenizerFromJson(json);
    const text = '中文 \u0000\u001f 😂 __proto__ constructor';
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    expect(tokenizer.vocabSize).toBe(257);
  });

  test('a token called __proto__ is a token like others', async () => {
    const text = Array.from({ length: 50 }, () => '__proto__');
    const json = await trainBpe(text, { vocabSize: 400, specialTokens: ['__proto__'], pretokenizer: 'gpt2' });
    expect(tokenizerFromJson(json).tokenToId('__proto__')).toBe(0);
    expect(Object.keys(json.model.vocab)).toContain('__proto__');
  });

  test('memory grows with the different words only, and no word keeps its text alive', async () => {
    const options = { pretokenizer: 'gpt2' } as const;
    const texts = function* (times: number): Generator<string> {
      for (let i = 0; i < times; i++) yield 'the same words in every text, over and over again';
    };
    const once = await countWords(texts(1), options);
    const often = await countWords(texts(5000), options);
    expect([often.size, often.bytes]).toEqual([once.size, once.bytes]);
    expect(often.counts[0]).toBe(5000);
    expect(often.bytes.buffer.byteLength).toBe(once.bytes.buffer.byteLength);
  });

  test('counts beyond 2^31 do not overflow', async () => {
    const options = { vocabSize: 260, specialTokens: [], pretokenizer: 'gpt2' } as const;
    const counts = await countWords(['the', 'ab', 'ab'], options);
    counts.counts[0] = 6e9;
    expect(trainFromCounts(counts, options).model.merges[0]).toEqual(['h', 'e']);
  });

  test('sizes that cannot be are errors with a hint', async () => {
    const options = { specialTokens: ['<s>'], pretokenizer: 'gpt2' } as const;
    await expect(trainBpe([], { ...options, vocabSize: 256 })).rejects.toMatchObject({
      kind: 'config',
      where: 'vocab_size',
    });
    await expect(trainBpe([], { ...options, vocabSize: 300.5 })).rejects.toThrow(/vocabulary/);
    await expect(trainBpe([], { ...options, vocabSize: 300, minFrequency: -1 })).rejects.toThrow(/min_frequency/);
    await expect(trainBpe([], { ...options, vocabSize: 300, maxTokenLength: 1 })).rejects.toThrow(/max_token_length/);
    await expect(trainBpe([], { vocabSize: 300, specialTokens: [''], pretokenizer: 'gpt2' })).rejects.toThrow(/empty/);
  });

  test('stops when asked to', async () => {
    const signal = AbortSignal.abort();
    const promise = trainBpe(['a'], { vocabSize: 300, specialTokens: [], pretokenizer: 'gpt2', signal });
    await expect(promise).rejects.toMatchObject({ kind: 'interrupted' });
  });
});
