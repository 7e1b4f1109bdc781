import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { matchProbability } from '../../src/data/dedup/bands.ts';
import { foldTable } from '../../src/data/dedup/fold.ts';
import { MinHasher } from '../../src/data/dedup/minhash.ts';
import { Sketch } from '../../src/data/dedup/sketch.ts';
import { WordScanner } from '../../src/data/dedup/words.ts';
import { Random, jaccard, referenceWords, shingles } from './near-helpers.ts';

const OPTIONS = { bands: 14, rows: 8, ngram: 5 };
const golden = JSON.parse(readFileSync(join(import.meta.dirname, '../golden/data/near/words.json'), 'utf8')) as {
  python: string;
  cases: { text: string; words: string[] }[];
};

function scan(text: string, blockSize = 1 << 16): number[] {
  const scanner = new WordScanner(0);
  scanner.open(text);
  const found: number[] = [];
  const block = new Uint32Array(blockSize);
  for (;;) {
    const end = scanner.read(block, 0);
    found.push(...block.subarray(0, end));
    if (end < blockSize) return found;
  }
}

describe('words', () => {
  test.each(golden.cases.map(({ text, words }) => [text, words] as const))('%j as Python reads it', (text, words) => {
    expect(referenceWords(text)).toEqual(words);
    expect(scan(text)).toEqual(words.flatMap((word) => scan(word)));
    expect(scan(text)).toHaveLength(words.length);
  });

  test('the words of any text are those of the reference, whatever the size of the blocks', () => {
    // Of scripts where the reference, which goes by this Node's Unicode, and the tables agree.
    const alphabet = [...'aBzé Éßİ\u0301\u00ad\u200d,.-_\n\t09٣½ⅣωΣςжЙ漢字かガーｶ々ไทย한글\u{20000}\u{1f600}ő'];
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...alphabet), { maxLength: 60 }),
        fc.integer({ min: 1, max: 9 }),
        (letters, size) => {
          const text = letters.join('');
          const expected = referenceWords(text).flatMap((word) => scan(word));
          expect(scan(text)).toEqual(scan(text, size));
          expect(scan(text)).toEqual(expected);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('different words have different hashes', () => {
    const words = new Set<string>();
    const random = new Random(1);
    while (words.size < 20_000) {
      words.add(
        Array.from({ length: 1 + random.below(4) }, () => random.pick([...'abcdefghijklmnopqrstuvwxyzабвгд'])).join(''),
      );
    }
    // 20,000 random hashes of 32 bits: 0.05 collisions expected.
    expect(new Set([...words].flatMap((word) => scan(word))).size).toBeGreaterThanOrEqual(words.size - 2);
  });

  test('a text of surrogates without partner does not run over its end', () => {
    for (const text of ['\ud840', '\ud83c', '\udb40', 'a\udb40', 'a\ud83c', '\udc00\ud840a', '\ud840\ud840']) {
      expect(() => scan(text)).not.toThrow();
    }
    expect(scan('\ud83cabc')).toEqual(scan('abc'));
    // The unit behind the end is the rest of a longer text before.
    scan('x'.repeat(50));
    scan('\udc00'.repeat(50));
    expect(scan('\ud840')).toEqual(scan('\ud840'));
    expect(scan('\ud840')).not.toEqual(scan('\ud840\udc00'));
  });

  test('the table is the same under every version of Node', () => {
    let checksum = 0x811c9dc5;
    for (const entry of foldTable()) checksum = Math.imul(checksum ^ entry, 0x01000193) >>> 0;
    expect(checksum).toBe(669986572);
  });
});

describe('MinHasher', () => {
  test('case, accents, punctuation, numbers and white space make no difference', () => {
    const hasher = new MinHasher(OPTIONS);
    const a = hasher.signature('Le café coûte 12 euros, dit-elle: c’est cher en 2024!');
    const b = hasher.signature('  le CAFE\u0301\ncoute 7 euros   dit elle c est cher en 1999');
    expect(a).toEqual(b);
    expect(a).toHaveLength(112);
    expect(hasher.signature('le café coûte douze euros')).not.toEqual(a);
  });

  test('a text without words has no hashes and writes none', () => {
    const hasher = new MinHasher(OPTIONS);
    const out = new Uint32Array(28).fill(7);
    for (const text of ['', '   \n', '?!…—', '\u0301', '😀😀']) {
      expect(hasher.bandHashes(text, out, 0)).toBe(false);
      expect(hasher.signature(text)).toBeUndefined();
    }
    expect(out).toEqual(new Uint32Array(28).fill(7));
  });

  test('a text of fewer words than a shingle is one shingle', () => {
    const hasher = new MinHasher(OPTIONS);
    expect(hasher.signature('Yes, sir')).toEqual(hasher.signature('yes SIR!'));
    expect(hasher.signature('yes sir')).not.toEqual(hasher.signature('no sir'));
    expect(hasher.signature('yes')).not.toEqual(hasher.signature('yes yes'));
    expect(hasher.signature('one two three four')).not.toEqual(hasher.signature('one two three four five'));
  });

  test('band hashes go where they should and agree where the rows of a band agree', () => {
    const hasher = new MinHasher(OPTIONS);
    const random = new Random(2);
    const words = Array.from({ length: 200 }, () => `w${random.below(1e6).toString(36)}x`.replaceAll(/\d/g, 'q'));
    const texts = [words.join(' '), words.map((word, i) => (i % 70 === 5 ? 'other' : word)).join(' ')];
    const signatures = texts.map((text) => hasher.signature(text)!);
    const out = new Uint32Array(3 * 28);
    for (const [i, text] of texts.entries()) expect(hasher.bandHashes(text, out, 28 * (i + 1))).toBe(true);
    expect(out.subarray(0, 28)).toEqual(new Uint32Array(28));
    let agreeing = 0;
    for (let band = 0; band < 14; band++) {
      const rows = signatures.map((signature) => signature.slice(band * 8, band * 8 + 8));
      const hashes = [1, 2].map((i) => out.slice(28 * i + 2 * band, 28 * i + 2 * band + 2));
      const same = rows[0]!.every((value, i) => value === rows[1]![i]);
      expect(hashes[0]!.every((value, i) => value === hashes[1]![i])).toBe(same);
      if (same) agreeing++;
    }
    expect(agreeing).toBeGreaterThan(0);
    expect(agreeing).toBeLessThan(14);
  });

  test('bands with the same values have different hashes', () => {
    const out = new Uint32Array(28);
    new MinHasher(OPTIONS).bandHashes('one shingle', out, 0);
    expect(new Set(out).size).toBe(28);
  });

  test('what was hashed before makes no difference', () => {
    const used = new MinHasher(OPTIONS);
    const texts = [
      'short',
      'long '.repeat(20_000),
      '中文'.repeat(5000),
      '',
      Array.from({ length: 9000 }, (_, i) => i.toString(2).replaceAll('0', 'o').replaceAll('1', 'l')).join(' '),
    ];
    for (const text of [...texts, ...texts.toReversed()]) {
      expect(used.signature(text)).toEqual(new MinHasher(OPTIONS).signature(text));
    }
  });

  test('other seeds are other functions', () => {
    const [a, b] = [0, 1].map((seed) => new MinHasher({ ...OPTIONS, seed }).signature('a few words of text to hash')!);
    expect(a!.filter((value, i) => value === b![i])).toHaveLength(0);
  });

  test('signatures never change: prepared work of older versions stays valid', () => {
    const hasher = new MinHasher(OPTIONS);
    const digest = (text: string) =>
      hasher.signature(text)!.reduce((sum, value) => Math.imul(sum, 31) ^ value, 0) >>> 0;
    expect(['The quick brown fox jumps over the lazy dog.', '我们在这里使用了最小哈希算法。', 'x'].map(digest)).toEqual(
      [518336475, 3876491956, 479555882],
    );
  });

  test('a long text that repeats itself takes memory for its shingles only', () => {
    const sketch = new Sketch(112);
    for (let block = 0; block < 200; block++) {
      sketch.room(4096);
      for (let i = 0; i < 4096; i++) {
        sketch.low[sketch.count + i] = i % 10;
        sketch.high[sketch.count + i] = i % 10;
      }
      sketch.add(4096);
    }
    sketch.finish();
    expect(sketch.low.length).toBeLessThanOrEqual(4 * 4096);
    const once = new Sketch(112);
    once.room(10);
    for (let i = 0; i < 10; i++) once.low[i] = once.high[i] = i;
    once.add(10);
    once.finish();
    expect(sketch.values).toEqual(once.values);
  });
});

describe('the similarity of signatures', () => {
  /** Two texts of `size` shingles together, of which `common` are in both. */
  function pair(random: Random, size: number, common: number): [string, string] {
    const word = () => Array.from({ length: 8 }, () => String.fromCharCode(97 + random.below(26))).join('');
    const both = Array.from({ length: common }, word);
    const texts: [string[], string[]] = [[...both], [...both]];
    for (let i = common; i < size; i++) texts[i % 2]!.push(word());
    return [texts[0].join(' '), texts[1].join(' ')];
  }

  // 4 standard errors; Fast Similarity Sketching has fewer matches than the formula below the threshold, more above.
  test.each([
    [10, 5],
    [10, 8],
    [100, 60],
    [100, 70],
    [100, 80],
    [1000, 500],
    [1000, 700],
    [1000, 900],
  ])('of texts of %i shingles, %i common: unbiased, bands match by the formula', (size, common) => {
    const random = new Random(size + common);
    const hasher = new MinHasher({ bands: 14, rows: 8, ngram: 1 });
    const trials = size > 500 ? 150 : 400;
    const s = common / size;
    let sum = 0;
    let squares = 0;
    let matches = 0;
    for (let trial = 0; trial < trials; trial++) {
      const [a, b] = pair(random, size, common).map((text) => hasher.signature(text)!) as [Uint32Array, Uint32Array];
      const equal = a.map((value, i) => (value === b[i] ? 1 : 0));
      const estimate = equal.reduce((x, y) => x + y) / 112;
      sum += estimate;
      squares += (estimate - s) ** 2;
      if (
        Array.from({ length: 14 }, (_, band) => equal.subarray(band * 8, band * 8 + 8)).some((rows) =>
          rows.every((x) => x === 1),
        )
      )
        matches++;
    }
    const variance = (s * (1 - s)) / 112;
    expect(Math.abs(sum / trials - s)).toBeLessThan(4 * Math.sqrt(variance / trials));
    expect(squares / trials).toBeLessThan(variance * 1.3);
    const expected = matchProbability(s, 14, 8);
    const error = Math.sqrt((expected * (1 - expected)) / trials);
    expect(Math.abs(matches / trials - expected)).toBeLessThan(4 * error + 0.02);
  });

  test('real shingles: the estimate is the exact Jaccard similarity of the reference', () => {
    const hasher = new MinHasher({ bands: 512, rows: 8, ngram: 3 });
    const a =
      'It was the best of times, it was the worst of times; it was the age of wisdom, it was the age of foolishness.';
    const b =
      'It was the best of times. It was the worst of times: it was the age of wisdom, it was an age of 3 fools.';
    const exact = jaccard(shingles(a, 3), shingles(b, 3));
    const [x, y] = [hasher.signature(a)!, hasher.signature(b)!];
    const estimate = x.filter((value, i) => value === y[i]).length / 4096;
    expect(exact).toBeGreaterThan(0.5);
    expect(Math.abs(estimate - exact)).toBeLessThan(0.03);
  });
});
