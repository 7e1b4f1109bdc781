import { describe, expect, test } from 'vitest';
import { IdBuffer } from '../../src/tokenizer/id-buffer.ts';
import { tokenizerFromJson } from '../../src/tokenizer/load.ts';
import { buildNormalizer } from '../../src/tokenizer/normalize.ts';
import type { Tokenizer, TokenizerJson } from '../../src/tokenizer/types.ts';
import { readFixture } from './fixture.ts';

interface Fixture {
  bytes: string[];
  cases: { merges: [string, string][]; made: string[]; ignoreMerges: boolean; texts: string[]; ids: number[][] }[];
  texts: string[];
  forms: Record<string, string[]>;
  digits: { json: TokenizerJson; texts: string[]; ids: number[][] };
}
const fixture = readFixture<Fixture>('encode-merges.json.gz');

function tokenizerOf({ merges, made, ignoreMerges }: Fixture['cases'][number]): Tokenizer {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
  const json: TokenizerJson = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: ignoreMerges,
      vocab: Object.fromEntries([...fixture.bytes, ...made].map((token, id) => [token, id])),
      merges,
    },
  };
  return tokenizerFromJson(json);
}

/** Enough different words for the encoder to build the tables of its linear-time search. */
const MANY_WORDS = Array.from({ length: 3000 }, (_, i) => `${i} ${i % 7}`);

describe('merges that no training gives: in any order, several for one token, across characters', () => {
  for (const search of [false, true]) {
    test(search ? 'the ids of HF tokenizers, searched' : 'the ids of HF tokenizers, merged', () => {
      for (const [k, golden] of fixture.cases.entries()) {
        const tokenizer = tokenizerOf(golden);
        if (search) for (const word of MANY_WORDS) tokenizer.encode(word);
        for (const [i, text] of golden.texts.entries()) {
          expect([k, text, [...tokenizer.encode(text)]]).toEqual([k, text, golden.ids[i]]);
        }
      }
    });
  }
});

test('digits apart, then words: numbers of any script and age, with white space around them', () => {
  const { json, texts, ids } = fixture.digits;
  const tokenizer = tokenizerFromJson(json);
  for (const [i, text] of texts.entries()) expect([text, [...tokenizer.encode(text)]]).toEqual([text, ids[i]]);
});

describe('normal forms', () => {
  for (const [form, expected] of Object.entries(fixture.forms)) {
    test(`${form} of characters that came after HF tokenizers' tables`, () => {
      const normalize = buildNormalizer({ type: form })!;
      for (const [i, text] of fixture.texts.entries()) expect([i, normalize(text)]).toEqual([i, expected[i]]);
    });
  }
});

test('encodeInto appends what encode gives, with what the post-processor puts around it', () => {
  const tokenizer = tokenizerOf(fixture.cases[0]!);
  const out = new IdBuffer();
  const texts = fixture.cases[0]!.texts;
  for (const text of texts) tokenizer.encodeInto(text, out, { addSpecialTokens: true });
  const expected = texts.flatMap((text) => [...tokenizer.encode(text, { addSpecialTokens: true })]);
  expect(out.slice()).toEqual(Int32Array.from(expected));
});
