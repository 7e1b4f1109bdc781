import { describe, expect, test } from 'vitest';
import { ByteLevelBpe } from '../../src/tokenizer/byte-level-bpe.ts';
import { tokenizerFromJson } from '../../src/tokenizer/load.ts';
import { parseBpe, parseTokenizerJson } from '../../src/tokenizer/parse.ts';
import type { Tokenizer, TokenizerJson } from '../../src/tokenizer/types.ts';
import { readFixture } from './fixture.ts';

interface Case {
  name: string;
  patch: Record<string, unknown>;
  step: number;
  ids: number[][];
  framed: number[];
  decoded: Record<string, string>;
  skipped: Record<string, string>;
}
interface Fixture {
  versions: Record<string, string>;
  base: TokenizerJson;
  texts: string[];
  cases: Case[];
  broken: { ids: number[]; text: string }[];
}
const fixture = readFixture<Fixture>('encode.json.gz');

/** The fixture's tokenizer.json with the changes of one case, as its Python script makes them. */
function patched(patch: Record<string, unknown>): Record<string, unknown> {
  const json = structuredClone(fixture.base) as unknown as Record<string, unknown> & { model: Record<string, unknown> };
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith('model.')) json.model[key.slice(6)] = value;
    else if (key === 'drop') dropBytes(json.model as unknown as TokenizerJson['model'], value as number);
    else if (key === 'merges_as_strings')
      json.model['merges'] = fixture.base.model.merges.map((pair) => pair.join(' '));
    else json[key] = value;
  }
  return json;
}

function dropBytes(model: TokenizerJson['model'], count: number): void {
  const byPoint = (a: string, b: string): number => a.codePointAt(0)! - b.codePointAt(0)!;
  const gone = new Set(
    Object.keys(model.vocab)
      .filter((token) => token.length === 1)
      .sort(byPoint)
      .slice(-count),
  );
  const keep = (token: string): boolean => ![...token].some((char) => gone.has(char));
  model.merges = model.merges.filter((pair) => pair.every(keep));
  const kept = Object.entries(model.vocab).sort((a, b) => a[1] - b[1]);
  model.vocab = Object.fromEntries(kept.filter(([token]) => keep(token)).map(([token], id) => [token, id]));
}

function load(patch: Record<string, unknown> = {}): Tokenizer {
  return tokenizerFromJson(parseBpe(parseTokenizerJson(patched(patch), 'tokenizer.json'), 'tokenizer.json'));
}

describe.each(fixture.cases)(
  'encoding as HF tokenizers does: $name',
  ({ patch, step, ids, framed, decoded, skipped }) => {
    const tokenizer = load(patch);
    const texts = fixture.texts.filter((_, i) => i % step === 0);

    test('is done by our own encoder', () => {
      expect(tokenizer.implementation).toBe('llmkit byte-level BPE');
      expect(texts.length).toBe(ids.length);
    });

    test('gives the same ids, the second time from the cache', () => {
      for (let round = 0; round < 2; round++) {
        for (const [k, text] of texts.entries())
          expect([[text], [...tokenizer.encode(text)]]).toEqual([[text], ids[k]]);
      }
      expect([...tokenizer.encode('a b', { addSpecialTokens: true })]).toEqual(framed);
    });

    test('decodes to the same text, at once and streamed, with and without special tokens', () => {
      for (const [k, text] of texts.entries()) {
        const expected = decoded[k] ?? text;
        expect(tokenizer.decode(ids[k]!)).toBe(expected);
        expect(tokenizer.decode(ids[k]!, { skipSpecialTokens: true })).toBe(skipped[k] ?? expected);
        const stream = tokenizer.streamDecoder();
        expect(ids[k]!.map((id) => stream.push(id)).join('') + stream.flush()).toBe(expected);
      }
    });
  },
);

describe('encoding', () => {
  const tokenizer = load();

  test('ids that make broken UTF-8 decode to the same replacement characters', () => {
    for (const { ids, text } of fixture.broken) expect(tokenizer.decode(ids)).toBe(text);
  });

  test('a lone surrogate is U+FFFD, in the text and inside a word', () => {
    for (const text of ['\ud83d', 'a\udc00b', '\ud83dx \udc00\ud83d', '\ud83d\ude02\ud83d']) {
      expect(tokenizer.encode(text)).toEqual(tokenizer.encode(text.replaceAll(/\p{Surrogate}/gu, '\ufffd')));
    }
  });

  test('streaming never splits a character, and says nothing before it is whole', () => {
    const ids = [...tokenizer.encode('\u{1fae0}')];
    expect(ids.length).toBeGreaterThan(1);
    const stream = tokenizer.streamDecoder();
    expect(ids.map((id) => stream.push(id))).toEqual([...ids.slice(1).map(() => ''), '\u{1fae0}']);
    const cut = tokenizer.streamDecoder();
    expect(cut.push(ids[0]!)).toBe('');
    expect(cut.flush()).toBe('\ufffd');
  });

  test('a leading U+FEFF is kept', () => {
    expect(tokenizer.decode(tokenizer.encode('\ufeffa'))).toBe('\ufeffa');
  });

  test('an id outside the vocabulary is an error that names it', () => {
    expect(() => tokenizer.decode([0, 900])).toThrow(/900 is not in the vocabulary/);
    expect(() => tokenizer.streamDecoder().push(-1)).toThrow(/-1/);
  });

  test('more different words than the cache holds are still encoded right', () => {
    const coder = new ByteLevelBpe(fixture.base);
    const words = Array.from({ length: 300_000 }, (_, i) => ` w${i.toString(36)}x${i % 7}`);
    const whole = coder.encode(words.join(''));
    expect(coder.decode(whole)).toBe(words.join(''));
    const fresh = new ByteLevelBpe(fixture.base);
    for (const i of [0, 1, 131_071, 131_072, 131_073, 299_999]) {
      expect(coder.encode(words[i]!)).toEqual(fresh.encode(words[i]!));
    }
  });

  test('a word of a million characters takes less than seconds', () => {
    const text = 'abcd'.repeat(250_000);
    const ids = tokenizer.encode(text);
    expect(tokenizer.decode(ids)).toBe(text);
  }, 10_000);

  test('tokens are found by id and by text, added ones too', () => {
    expect(tokenizer.tokenToId('<|im_end|>')).toBe(2);
    expect(tokenizer.idToToken(2)).toBe('<|im_end|>');
    expect(tokenizer.tokenToId('no such token')).toBeUndefined();
    expect(tokenizer.vocabSize).toBe(900);
  });
});
