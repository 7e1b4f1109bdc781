import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { countWords, packWordCounts, trainBpe, trainFromCounts, WordCountsSum } from '../../src/tokenizer/index.ts';
import { readFixture } from './fixture.ts';

const { texts: fixtureTexts } = readFixture<{ texts: Record<string, string[]> }>('train.json.gz');

async function packed(texts: readonly string[]): Promise<Uint8Array> {
  return packWordCounts(await countWords(texts, { pretokenizer: 'llama3' }));
}

describe('training from the counts of parts', () => {
  const options = { vocabSize: 400, specialTokens: ['<s>'], pretokenizer: 'llama3' } as const;
  const word = fc.oneof(
    fc.constantFrom('the ', 'then ', 'other ', 'banana ', '中文', '中文字', 'aaaa', '12345 ', '\n\n', "don't "),
    fc.string({ maxLength: 6, unit: 'binary' }),
  );
  const text = fc.array(word, { maxLength: 20 }).map((words) => words.join(''));

  test('any partition, in any order, gives the tokenizer of one pass', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(text, { maxLength: 12 }),
        fc.integer({ min: 1, max: 5 }),
        fc.nat(),
        async (texts, n, seed) => {
          const parts: string[][] = Array.from({ length: n }, () => []);
          for (const [i, item] of texts.entries()) parts[((i + 1) * ((seed % 97) + 1)) % n]!.push(item);
          const given = parts.flat();
          const sum = new WordCountsSum();
          for (const part of parts.reverse()) sum.add(await packed(part));
          expect(trainFromCounts(sum.result(), options)).toEqual(await trainBpe(given, options));
        },
      ),
      { numRuns: 60 },
    );
  });

  test('the order of texts does not matter where many pairs are equally frequent', async () => {
    const texts = fixtureTexts['mixed']!;
    const large = { ...options, vocabSize: 3000 };
    const forward = await trainBpe(texts, large);
    expect(await trainBpe([...texts].reverse(), large)).toEqual(forward);
    const sum = new WordCountsSum();
    for (let i = 0; i < 7; i++) sum.add(await packed(texts.filter((_, k) => k % 7 === i)));
    expect(trainFromCounts(sum.result(), large)).toEqual(forward);
  });

  test('counts of parts add up beyond 2^32', async () => {
    const counts = await countWords(['the ab'], { pretokenizer: 'llama3' });
    counts.counts.fill(2 ** 51);
    const sum = new WordCountsSum();
    for (let i = 0; i < 3; i++) sum.add(packWordCounts(counts));
    expect([...sum.result().counts]).toEqual([3 * 2 ** 51, 3 * 2 ** 51]);
  });

  test('nothing packs and adds', async () => {
    const sum = new WordCountsSum();
    sum.add(await packed([]));
    expect(trainFromCounts(sum.result(), options).model.merges).toEqual([]);
  });

  test('takes packed counts at any address', async () => {
    const bytes = await packed(['some words']);
    const shifted = new Uint8Array(bytes.length + 3).subarray(3);
    shifted.set(bytes);
    const sum = new WordCountsSum();
    sum.add(shifted);
    expect(packWordCounts(sum.result())).toEqual(bytes);
  });

  test('damaged counts are an error: cut short, lengthened, of another kind, any byte changed', async () => {
    const bytes = await packed(['some words and more']);
    const refused = (damaged: Uint8Array): void => {
      expect(() => new WordCountsSum().add(damaged)).toThrow(/word counts are damaged/);
    };
    for (const length of [0, 3, 15, 16, bytes.length - 1]) refused(bytes.slice(0, length));
    refused(new Uint8Array([...bytes, 0]));
    refused(new Uint8Array(64));
    for (let i = 0; i < bytes.length; i++) refused(bytes.map((byte, k) => (k === i ? byte ^ 0x10 : byte)));
  });
});
