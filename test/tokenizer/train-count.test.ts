import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { wellFormed } from '../../src/tokenizer/byte-level.ts';
import { countWords, type PretokenizerName, type WordCounts } from '../../src/tokenizer/index.ts';
import { GPT2_PATTERN, LLAMA3_PATTERN, QWEN2_PATTERN, scannerFor } from '../../src/tokenizer/scan.ts';

const PATTERNS: Record<PretokenizerName, string> = { gpt2: GPT2_PATTERN, llama3: LLAMA3_PATTERN, qwen2: QWEN2_PATTERN };
const AWKWARD = [
  "'s",
  "'S",
  "'ſ",
  "'ll",
  "'lL",
  "'Re",
  "'",
  ' ',
  '  ',
  '\r\n',
  ' \n ',
  '\t',
  '\u0085',
  '\u00a0',
  '\u2028',
];
const LETTERS = [
  'the',
  'é',
  'ß',
  'ſ',
  '中文',
  '\u{20000}',
  '1',
  '٣',
  'Ⅷ',
  '\u{1d7ff}',
  '½',
  '!',
  '…',
  '，',
  '😂',
  '\ud83d',
  '\udc00',
];

function toObject({ size, bytes, starts, counts }: WordCounts): Record<string, number> {
  const word = (w: number): string => Buffer.from(bytes.subarray(starts[w], starts[w + 1])).toString();
  return Object.fromEntries(Array.from({ length: size }, (_, w) => [word(w), counts[w]!]));
}

/** Words as the encoder cuts them, which the fixtures from HF tokenizers check. */
function expected(texts: readonly string[], pretokenizer: PretokenizerName): Record<string, number> {
  const scanner = scannerFor(PATTERNS[pretokenizer])!;
  const words: Record<string, number> = Object.create(null);
  for (const raw of texts) {
    const text = pretokenizer === 'qwen2' ? wellFormed(raw).normalize('NFC') : wellFormed(raw);
    const units = new Uint16Array(text.length + 1);
    for (let i = 0; i < text.length; i++) units[i] = text.charCodeAt(i);
    for (let i = 0; i < text.length;) {
      const end = scanner(units, i, text.length);
      const word = text.slice(i, end);
      words[word] = (words[word] ?? 0) + 1;
      i = end;
    }
  }
  return { ...words };
}

describe('counting words', () => {
  const piece = fc.oneof(
    fc.constantFrom(...AWKWARD),
    fc.constantFrom(...LETTERS),
    fc.string({ unit: 'binary', maxLength: 4 }),
  );
  const text = fc.array(piece, { maxLength: 24 }).map((pieces) => pieces.join(''));

  test.each(['gpt2', 'llama3', 'qwen2'] as const)(
    '%s: finds the words that the encoder finds',
    async (pretokenizer) => {
      await fc.assert(
        fc.asyncProperty(fc.array(text, { maxLength: 4 }), async (texts) => {
          expect(toObject(await countWords(texts, { pretokenizer }))).toEqual(expected(texts, pretokenizer));
        }),
        { numRuns: 1500 },
      );
    },
  );

  test('a text of many megabytes is one text', async () => {
    const long = 'word é中 '.repeat(1 << 20);
    expect(toObject(await countWords([long, 'word'], { pretokenizer: 'gpt2' }))).toEqual({
      word: 2,
      ' word': 2 ** 20 - 1,
      ' é中': 2 ** 20,
      ' ': 1,
    });
  });

  test('many different words are told apart', async () => {
    const texts = Array.from(
      { length: 60_000 },
      (_, i) => `w${i.toString(2).replaceAll('0', 'o').replaceAll('1', 'i')}`,
    );
    const counts = await countWords([...texts, ...texts], { pretokenizer: 'llama3' });
    expect(counts.size).toBe(60_000);
    expect(new Set(counts.counts)).toEqual(new Set([2]));
  });
});
