import { describe, expect, it } from 'vitest';
import { argmax, logProb, Sampler, type SamplerOptions, topLogProbs } from '../../src/infer/sampler.ts';

const logits = Float32Array.of(1.5, -0.5, 3, 0, 2.2, -4, 3, 1);
const DRAWS = 20_000;

function softmax(values: ArrayLike<number>): number[] {
  const weights = Array.from(values, Math.exp);
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
}

/** Draws and compares with the expected probabilities by Pearson's chi-square at the 99.9% level. */
function expectDistribution(options: SamplerOptions, expected: number[], present: number[] = []): void {
  const sampler = new Sampler({ seed: 11, ...options });
  const counts = new Array<number>(expected.length).fill(0);
  for (let i = 0; i < DRAWS; i++) counts[sampler.sample(logits, present)]!++;
  let statistic = 0;
  let cells = 0;
  for (const [id, probability] of expected.entries()) {
    if (probability === 0) {
      expect(counts[id], `token ${id} should never be drawn`).toBe(0);
      continue;
    }
    cells++;
    statistic += (counts[id]! - DRAWS * probability) ** 2 / (DRAWS * probability);
  }
  if (cells === 1) return;
  // Wilson and Hilferty's approximation of the quantile.
  const freedom = cells - 1;
  const limit = freedom * (1 - 2 / (9 * freedom) + 3.09 * Math.sqrt(2 / (9 * freedom))) ** 3;
  expect(statistic).toBeLessThan(limit);
}

/** Probabilities of the kept ids, renormalized. */
function only(probabilities: number[], kept: number[]): number[] {
  const total = kept.reduce((sum, id) => sum + probabilities[id]!, 0);
  return probabilities.map((probability, id) => (kept.includes(id) ? probability / total : 0));
}

describe('the sampler', () => {
  it('takes the likeliest token at temperature 0, the first of equals', () => {
    expect(new Sampler({ temperature: 0 }).sample(logits)).toBe(2);
  });

  it('draws from softmax(logits / temperature)', () => {
    expectDistribution({ temperature: 1 }, softmax(logits));
    expectDistribution({ temperature: 2 }, softmax(logits.map((l) => l / 2)));
    expectDistribution({ temperature: 0.5 }, softmax(logits.map((l) => l * 2)));
  });

  it('keeps the k likeliest', () => {
    expectDistribution({ topK: 3 }, only(softmax(logits), [2, 6, 4]));
    expectDistribution({ topK: 100 }, softmax(logits));
    const sampler = new Sampler({ topK: 1 });
    for (let i = 0; i < 50; i++) expect(sampler.sample(logits)).toBe(2); // 2 and 6 tie: the lower id ranks first
  });

  it('keeps the likeliest tokens until they hold top_p, the crossing one included', () => {
    const p = softmax(logits); // 2 and 6: 0.339 each, 4: 0.152, 0: 0.076
    expectDistribution({ topP: 0.6 }, only(p, [2, 6]));
    expectDistribution({ topP: p[2]! + p[6]! + 0.01 }, only(p, [2, 6, 4]));
    expectDistribution({ topP: 0.999 }, only(p, [0, 1, 2, 3, 4, 6, 7]));
    expectDistribution({ topP: 0.0001 }, only(p, [2]));
  });

  it('applies top_p to what top_k left', () => {
    const p = softmax(logits);
    expectDistribution({ topK: 2, topP: 0.6 }, only(p, [2, 6]));
    expectDistribution({ topK: 3, topP: 0.45 }, only(p, [2, 6]));
  });

  it('keeps tokens of at least min_p of the best', () => {
    const p = softmax(logits);
    expectDistribution({ minP: 0.3 }, only(p, [2, 6, 4]));
    expectDistribution({ minP: 0.3, topK: 2 }, only(p, [2, 6]));
    expectDistribution({ minP: 1 }, only(p, [2, 6]));
  });

  it('lowers tokens that are there already, whatever the sign of their logit', () => {
    const changed = logits.map((l, id) => ([2, 5].includes(id) ? (l > 0 ? l / 1.5 : l * 1.5) : l));
    expectDistribution({ repetitionPenalty: 1.5 }, softmax(changed), [2, 5, 2, 2]);
    expect(new Sampler({ temperature: 0, repetitionPenalty: 1.5 }).sample(logits, [2])).toBe(6);
  });

  it('gives the same tokens for the same seed and others for another', () => {
    const draw = (seed: number) => {
      const sampler = new Sampler({ seed });
      return Array.from({ length: 30 }, () => sampler.sample(logits));
    };
    expect(draw(5)).toEqual(draw(5));
    expect(draw(5)).not.toEqual(draw(6));
  });

  it('ranks a large flat or peaked vocabulary exactly as a full sort would', () => {
    let state = 1;
    const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
    for (const spread of [0, 0.01, 1, 30, 500]) {
      const large = Float32Array.from({ length: 5000 }, () => random() * spread);
      const sorted = Array.from(large.keys()).sort((a, b) => large[b]! - large[a]! || a - b);
      expect(topLogProbs(large, 40).map(({ id }) => id)).toEqual(sorted.slice(0, 40));
      const allowed = new Set(sorted.slice(0, 25));
      const sampler = new Sampler({ topK: 25, topP: 0.9, seed: 3 });
      for (let i = 0; i < 100; i++) expect(allowed.has(sampler.sample(large))).toBe(true);
    }
  });

  it('leaves the logits as they were', () => {
    const copy = logits.slice();
    new Sampler({ temperature: 0.3, topP: 0.8, repetitionPenalty: 2 }).sample(copy, [0, 1, 2]);
    expect(copy).toEqual(logits);
  });

  it('computes log-probabilities that do not overflow', () => {
    expect(logProb(Float32Array.of(1000, 1000), 1)).toBeCloseTo(-Math.log(2), 12);
    expect(topLogProbs(logits, 2).map(({ logProb }) => logProb)[0]).toBeCloseTo(Math.log(softmax(logits)[2]!), 6);
  });

  it('refuses logits that are not numbers', () => {
    expect(() => argmax(Float32Array.of(Number.NaN, Number.NaN))).toThrow(/no usable logits/);
    expect(argmax(Float32Array.of(Number.NaN, 1, 2))).toBe(2);
  });
});
