import { describe, expect, test } from 'vitest';
import { type PretokenizerName, trainBpe } from '../../src/tokenizer/index.ts';
import { readFixture } from './fixture.ts';

interface Fixture {
  versions: Record<string, string>;
  cases: {
    texts?: string[];
    drawn?: { seed: number; count: number };
    vocabSize: number;
    pretokenizer: PretokenizerName;
    special: string[];
    options: { min_frequency?: number; max_token_length?: number };
    merges: [string, string][];
    /** The last of the vocabulary, by id: one more than there are merges. */
    tokens: string[];
  }[];
}
const { cases } = readFixture<Fixture>('train-fuzz.json.gz');

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ';

/** The text that train_fuzz.py draws: in it the pairs are so rare that they are counted anew for rarer ones. */
function letters({ seed, count }: { seed: number; count: number }): string {
  let text = '';
  for (let i = 0; i < count; i++) {
    seed = (seed * 48271) % 2147483647;
    text += LETTERS[seed % 53]!;
  }
  return text;
}

describe('training BPE on random corpora', () => {
  test.each(cases.map((item, index) => ({ ...item, index })))(
    'learns what HF tokenizers learn: corpus $index, $pretokenizer, $vocabSize, $options, $special',
    async ({ texts, drawn, vocabSize, pretokenizer, special, options, merges, tokens }) => {
      const json = await trainBpe(texts ?? [letters(drawn!), 'qzqz.'.repeat(900)], {
        vocabSize,
        specialTokens: special,
        pretokenizer,
        ...(options.min_frequency === undefined ? {} : { minFrequency: options.min_frequency }),
        ...(options.max_token_length === undefined ? {} : { maxTokenLength: options.max_token_length }),
      });
      expect(json.model.merges).toEqual(merges);
      const byId = Object.entries(json.model.vocab).sort((a, b) => a[1] - b[1]);
      expect(byId.slice(-tokens.length).map(([token]) => token)).toEqual(tokens);
    },
  );
});
