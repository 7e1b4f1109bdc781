import { describe, expect, it } from 'vitest';
import { Lengths } from '../../src/data/encode/lengths.ts';

describe('Lengths', () => {
  it('gives exact percentiles and a histogram by powers of two', () => {
    const lengths = new Lengths();
    for (let i = 1; i <= 100; i++) lengths.add(i);
    expect([0.5, 0.9, 1].map((fraction) => lengths.percentile(fraction))).toEqual([50, 90, 100]);
    expect(lengths.histogram()).toEqual([
      { up_to: 16, examples: 16 },
      { up_to: 32, examples: 16 },
      { up_to: 64, examples: 32 },
      { up_to: 128, examples: 36 },
    ]);
  });
});
