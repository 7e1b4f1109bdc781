import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bandsForThreshold, matchProbability } from '../../src/data/dedup/bands.ts';
import { GroupTable } from '../../src/data/dedup/group-table.ts';
import { MinHasher } from '../../src/data/dedup/minhash.ts';
import { UnionFind } from '../../src/data/dedup/union-find.ts';
import { chinese, EDITS, english, jaccard, Random, shingles } from './near-helpers.ts';

const golden = JSON.parse(readFileSync(join(import.meta.dirname, '../golden/data/near/bands.json'), 'utf8')) as {
  cases: { threshold: number; hashes: number; bands: number; rows: number }[];
};

describe('planted near-duplicates', () => {
  const NGRAM = 5;

  test.each([
    ['English', english],
    ['Chinese', chinese],
  ])('%s: found as often as the formula says, and nothing else', (_, write) => {
    const random = new Random(11);
    const kinds = Object.keys(EDITS);
    const texts: string[] = [];
    const planted: { original: number; copy: number; s: number }[] = [];
    for (let i = 0; i < 400; i++) {
      const original = texts.push(write(random, 60 + random.below(300))) - 1;
      const copy = texts.push(EDITS[kinds[i % kinds.length]!]!(texts[original]!, random)) - 1;
      planted.push({ original, copy, s: jaccard(shingles(texts[original]!, NGRAM), shingles(texts[copy]!, NGRAM)) });
    }
    const clusters = clusterRows(texts, 14, 8);
    const found = planted.filter(({ original, copy }) => clusters.find(original) === clusters.find(copy));
    const expected = planted.reduce((sum, { s }) => sum + matchProbability(s, 14, 8), 0);
    const variance = planted.reduce(
      (sum, { s }) => sum + matchProbability(s, 14, 8) * (1 - matchProbability(s, 14, 8)),
      0,
    );
    expect(Math.abs(found.length - expected)).toBeLessThan(4 * Math.sqrt(variance) + 1);
    const near = planted.filter(({ s }) => s >= 0.8);
    expect(near.length).toBeGreaterThan(200);
    expect(near.filter((pair) => found.includes(pair)).length / near.length).toBeGreaterThan(0.97);
    // No row has a partner but its own.
    for (let row = 0; row < texts.length; row++) expect(clusters.find(row)).toBeGreaterThanOrEqual(row - (row % 2));
  });

  test('changes of case and punctuation are never missed', () => {
    const random = new Random(3);
    for (const write of [english, chinese]) {
      const text = write(random, 100);
      const clusters = clusterRows([text, EDITS['case and punctuation']!(text, random)], 14, 8);
      expect(clusters.find(1)).toBe(0);
    }
  });

  test('pairs against exact Jaccard in a corpus of many similar texts: brute force', () => {
    const random = new Random(5);
    const sentences = Array.from({ length: 60 }, () => english(random, 12));
    const texts = Array.from({ length: 250 }, (_, i) => {
      const first = (i * 7) % 40;
      return Array.from({ length: 10 }, (_, j) => sentences[(first + j + (random.below(5) === 0 ? 1 : 0)) % 60]).join(
        ' ',
      );
    });
    const sets = texts.map((text) => shingles(text, NGRAM));
    const hasher = new MinHasher({ bands: 14, rows: 8, ngram: NGRAM });
    const hashes = texts.map((text) => {
      const out = new Uint32Array(28);
      hasher.bandHashes(text, out, 0);
      return out;
    });
    let [expected, matched, missedSure, variance] = [0, 0, 0, 0];
    for (let a = 0; a < texts.length; a++) {
      for (let b = a + 1; b < texts.length; b++) {
        const s = jaccard(sets[a]!, sets[b]!);
        const p = matchProbability(s, 14, 8);
        const match = Array.from({ length: 14 }, (_, band) => band).some(
          (band) =>
            hashes[a]![2 * band] === hashes[b]![2 * band] && hashes[a]![2 * band + 1] === hashes[b]![2 * band + 1],
        );
        expected += p;
        variance += p * (1 - p);
        if (match) matched++;
        if (!match && s >= 0.95) missedSure++;
        if (s < 0.2) expect(match).toBe(false);
      }
    }
    expect(expected).toBeGreaterThan(100);
    expect(missedSure).toBe(0);
    // Pairs share texts and so are not independent: twice the usual four standard errors.
    expect(Math.abs(matched - expected)).toBeLessThan(8 * Math.sqrt(variance));
  });
});

function clusterRows(texts: string[], bands: number, rows: number): UnionFind {
  const hasher = new MinHasher({ bands, rows, ngram: 5 });
  const tables = Array.from({ length: bands }, () => new GroupTable());
  const clusters = new UnionFind(texts.length);
  const out = new Uint32Array(2 * bands);
  for (const [row, text] of texts.entries()) {
    if (!hasher.bandHashes(text, out, 0)) continue;
    for (const [band, table] of tables.entries()) {
      const first = table.add(out[2 * band]!, out[2 * band + 1]!, row);
      if (first >= 0) clusters.union(first, row);
    }
  }
  return clusters;
}

describe('GroupTable', () => {
  test('gives the first row of a key, as a Map does', () => {
    const key = fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 2 }));
    fc.assert(
      fc.property(fc.array(key, { maxLength: 300 }), fc.integer({ min: 0, max: 100 }), (keys, expected) => {
        const table = new GroupTable(expected);
        const map = new Map<string, number>();
        for (const [row, [low, high]] of keys.entries()) {
          // The same low bits, so that keys meet in a slot; also as negative numbers.
          const earlier = table.add(Math.imul(low, 0x10000000), -high, row);
          const name = `${Math.imul(low, 0x10000000)} ${high}`;
          expect(earlier).toBe(map.get(name) ?? -1);
          if (!map.has(name)) map.set(name, row);
        }
        expect(table.size).toBe(map.size);
      }),
    );
  });

  test('grows, and keeps rows up to 2^32 - 2', () => {
    const table = new GroupTable(0);
    const random = new Random(1);
    const keys = Array.from({ length: 50_000 }, () => [random.below(2 ** 32), random.below(2 ** 32)] as const);
    const rowOf = (i: number) => 2 ** 32 - 2 - i;
    for (const [i, [low, high]] of keys.entries()) expect(table.add(low, high, rowOf(i))).toBe(-1);
    for (const [i, [low, high]] of keys.entries()) expect(table.add(low, high, 0)).toBe(rowOf(i));
    expect(table.add(0, 0, 5)).toBe(-1);
    expect(table.add(0, 0, 6)).toBe(5);
  });
});

describe('UnionFind', () => {
  test('the smallest row stands for its set, in whatever order sets are joined', () => {
    const edges = fc.array(fc.tuple(fc.nat(39), fc.nat(39)), { maxLength: 60 });
    fc.assert(
      fc.property(edges, fc.infiniteStream(fc.nat()), (pairs, order) => {
        const sets = new UnionFind(40);
        const shuffled = pairs
          .map((pair) => [order.next().value as number, pair] as const)
          .toSorted(([a], [b]) => a - b);
        for (const [, [a, b]] of shuffled) sets.union(a, b);
        // Smallest label by repeated passes over all edges.
        const labels = Array.from({ length: 40 }, (_, i) => i);
        for (let pass = 0; pass < 40; pass++) {
          for (const [a, b] of pairs) labels[a] = labels[b] = Math.min(labels[a]!, labels[b]!);
        }
        expect(labels.map((_, row) => sets.find(row))).toEqual(labels);
      }),
    );
  });

  test('a chain of a million rows is no deep recursion', () => {
    const sets = new UnionFind(1e6);
    for (let row = 1e6 - 1; row > 0; row--) sets.union(row, row - 1);
    expect(sets.find(1e6 - 1)).toBe(0);
  });
});

describe('bands', () => {
  test('the match probability is the published formula', () => {
    expect(matchProbability(0.8, 14, 8)).toBeCloseTo(0.924, 3);
    expect(matchProbability(0.8, 20, 13)).toBeCloseTo(0.677, 3);
    expect(matchProbability(0, 14, 8)).toBe(0);
    expect(matchProbability(1, 14, 8)).toBe(1);
    // Half of it lies near (1/bands)^(1/rows).
    expect(matchProbability((1 / 14) ** (1 / 8), 14, 8)).toBeCloseTo(1 - 1 / Math.E, 1);
  });

  test.each(golden.cases)(
    'threshold $threshold of $hashes hashes: $bands x $rows',
    ({ threshold, hashes, bands, rows }) => {
      expect(bandsForThreshold(threshold, hashes)).toEqual({ bands, rows });
    },
  );

  test('weights move the curve: misses that cost more give a lower threshold', () => {
    const careful = bandsForThreshold(0.8, 128, { falsePositive: 0.1, falseNegative: 0.9 });
    const even = bandsForThreshold(0.8, 128);
    expect(matchProbability(0.8, careful.bands, careful.rows)).toBeGreaterThan(
      matchProbability(0.8, even.bands, even.rows),
    );
  });

  test('any threshold has a split within its hashes', () => {
    for (const threshold of [0.001, 0.1, 0.99, 0.999]) {
      const { bands, rows } = bandsForThreshold(threshold, 64);
      expect(bands * rows).toBeLessThanOrEqual(64);
      expect(Math.min(bands, rows)).toBeGreaterThanOrEqual(1);
    }
  });
});
