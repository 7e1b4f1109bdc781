import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packBestFit } from '../../src/data/encode/pack.ts';

const golden = JSON.parse(readFileSync(join(import.meta.dirname, '../golden/data/pack.json'), 'utf8')) as {
  packs: { capacity: number; lengths: number[]; bins: number[][] }[];
};
const used = (bin: number[], lengths: readonly number[]) => bin.reduce((sum, item) => sum + lengths[item]!, 0);

/** Best fit decreasing as the textbook has it, in O(n bins). */
function textbook(lengths: readonly number[], capacity: number): number[][] {
  const bins: number[][] = [];
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  for (const item of order) {
    const fitting = bins.filter((bin) => used(bin, lengths) + lengths[item]! <= capacity);
    const most = Math.max(...fitting.map((bin) => used(bin, lengths)));
    const best = fitting.find((bin) => used(bin, lengths) === most);
    if (best === undefined) bins.push([item]);
    else best.push(item);
  }
  return bins;
}

describe('packBestFit', () => {
  it('fills bins as TRL does', () => {
    for (const { capacity, lengths, bins } of golden.packs) {
      const ours = packBestFit(lengths, capacity);
      expect(ours.length).toBe(bins.length);
      const levels = (list: number[][]) => list.map((bin) => used(bin, lengths)).sort((a, b) => a - b);
      expect(levels(ours)).toEqual(levels(bins));
    }
  });

  it('is best fit decreasing: every item once, no bin over its capacity, as many bins as the textbook', () => {
    const instance = fc
      .integer({ min: 1, max: 40 })
      .chain((capacity) =>
        fc.tuple(fc.constant(capacity), fc.array(fc.integer({ min: 1, max: capacity }), { maxLength: 60 })),
      );
    fc.assert(
      fc.property(instance, ([capacity, lengths]) => {
        const bins = packBestFit(lengths, capacity);
        expect(bins.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
        for (const bin of bins) expect(used(bin, lengths)).toBeLessThanOrEqual(capacity);
        expect(bins.length).toBe(textbook(lengths, capacity).length);
      }),
    );
  });

  it('packs nothing into nothing', () => {
    expect(packBestFit([], 8)).toEqual([]);
  });
});
