import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as stats from '../../src/core/stats.ts';
import { Random } from '../../src/core/random.ts';

/** Made by test/golden/core/stats.py with scipy. */
interface Golden {
  values: number[];
  mean: number;
  sampleDeviation: number;
  standardError: number;
  quantiles: [number, number][];
  upperBound95: number;
  studentQuantile: [number, number, number][];
  incompleteBeta: [number, number, number, number][];
  logGamma: [number, number][];
  mcnemar: [number, number, number][];
  wilson: [number, number, number, number][];
}
const golden = JSON.parse(readFileSync(new URL('../golden/core/stats.json', import.meta.url), 'utf8')) as Golden;

function expectClose(actual: number, expected: number, relative = 1e-9): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(relative * Math.max(1e-12, Math.abs(expected)) + 1e-14);
}

describe('statistics equal scipy', () => {
  it('mean, deviation, standard error, quantiles', () => {
    expectClose(stats.mean(golden.values), golden.mean);
    expectClose(stats.sampleDeviation(golden.values), golden.sampleDeviation);
    expectClose(stats.standardError(golden.values), golden.standardError);
    for (const [p, expected] of golden.quantiles) expectClose(stats.quantile(golden.values, p), expected);
    expectClose(stats.upperBoundOfMean(golden.values), golden.upperBound95);
  });

  it('special functions', () => {
    for (const [x, expected] of golden.logGamma) expectClose(stats.logGamma(x), expected);
    for (const [x, a, b, expected] of golden.incompleteBeta) expectClose(stats.incompleteBeta(x, a, b), expected);
    for (const [p, d, expected] of golden.studentQuantile) expectClose(stats.studentQuantile(p, d), expected);
  });

  it('McNemar and Wilson', () => {
    for (const [lost, won, expected] of golden.mcnemar) expectClose(stats.mcnemarExact(lost, won), expected);
    for (const [k, n, low, high] of golden.wilson) {
      const [a, b] = stats.wilsonInterval(k, n);
      expectClose(a, low);
      expectClose(b, high);
    }
  });
});

describe('statistics at the edges', () => {
  it('have no spread to judge one value by', () => {
    expect(stats.upperBoundOfMean([0.1])).toBe(Infinity);
    expect(stats.upperBoundOfMean([])).toBeNaN();
    expect(stats.sampleDeviation([3])).toBe(0);
    expect(stats.mcnemarExact(0, 0)).toBe(1);
    expect(stats.wilsonInterval(0, 0)).toEqual([0, 1]);
  });
});

describe('bootstrapRatio', () => {
  it('surrounds the ratio of sums, the same for the same seed', () => {
    const numerators = golden.values.map((v) => v * 10);
    const denominators = golden.values.map(() => 10);
    const bounds = stats.bootstrapRatio(numerators, denominators, [0.025, 0.5, 0.975], new Random(1));
    expect(bounds).toEqual(stats.bootstrapRatio(numerators, denominators, [0.025, 0.5, 0.975], new Random(1)));
    expect(Math.abs(bounds[1]! - golden.mean)).toBeLessThan(0.05);
    // The percentile interval of a mean is close to mean +- 1.96 standard errors.
    expect(Math.abs(bounds[2]! - (golden.mean + 1.96 * golden.standardError))).toBeLessThan(0.1);
    expect(Math.abs(bounds[0]! - (golden.mean - 1.96 * golden.standardError))).toBeLessThan(0.1);
  });
});
