import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';

function draw(seed: number): number[] {
  const random = new Random(seed);
  return Array.from({ length: 8 }, () => random.uint32());
}

describe('Random', () => {
  test('is xoshiro128**: the reference sequence from state 1, 2, 3, 4', () => {
    // Made by the C of the paper with this state.
    const random = Random.fromState([1, 2, 3, 4]);
    const first = Array.from({ length: 10 }, () => random.uint32());
    expect(first).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ]);
  });

  test('the same seed gives the same numbers and another seed others', () => {
    expect(draw(42)).toEqual(draw(42));
    expect(draw(42)).not.toEqual(draw(43));
    expect(draw(1)).not.toEqual(draw(2 ** 32 + 1));
  });

  test('goes on from a saved state exactly, also after JSON', () => {
    const random = new Random(3);
    for (let i = 0; i < 7; i++) random.normal();
    const resumed = Random.fromState(JSON.parse(JSON.stringify(random.state)) as number[]);
    const after = Array.from({ length: 5 }, () => random.normal());
    expect(Array.from({ length: 5 }, () => resumed.normal())).toEqual(after);
  });

  test('normal has mean 0, variance 1 and the tails of a normal', () => {
    const random = new Random(5);
    const n = 200_000;
    let [sum, squares, beyond2] = [0, 0, 0];
    for (let i = 0; i < n; i++) {
      const x = random.normal();
      sum += x;
      squares += x * x;
      if (Math.abs(x) > 2) beyond2++;
    }
    // Standard errors at this n: 0.0022 for the mean, 0.0032 for the variance, 0.0005 for the tail.
    expect(Math.abs(sum / n)).toBeLessThan(0.01);
    expect(Math.abs(squares / n - 1)).toBeLessThan(0.015);
    expect(Math.abs(beyond2 / n - 0.0455)).toBeLessThan(0.0025);
  });

  test('int is even over its range and float stays in [0, 1)', () => {
    const random = new Random(9);
    const counts = [0, 0, 0, 0, 0, 0];
    for (let i = 0; i < 60_000; i++) counts[random.int(6)]!++;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
    for (let i = 0; i < 10_000; i++) {
      const x = random.float();
      expect(x >= 0 && x < 1).toBe(true);
    }
    expect(random.int(2 ** 32)).toBeGreaterThanOrEqual(0);
  });

  test('shuffle is a permutation in place, the same for the same seed', () => {
    const array = Array.from({ length: 100 }, (_, i) => i);
    const shuffled = new Random(1).shuffle(array);
    expect(shuffled).toBe(array);
    expect(shuffled).not.toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(shuffled.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(new Random(1).shuffle(Array.from({ length: 100 }, (_, i) => i))).toEqual(shuffled);
  });

  test('a fork differs by label, does not advance its parent and does not depend on other forks', () => {
    const random = new Random(11);
    const before = random.state;
    const dropout = random.fork('dropout').uint32();
    const shuffle = random.fork('shuffle').uint32();
    expect(random.state).toEqual(before);
    expect(dropout).not.toBe(shuffle);
    expect(new Random(11).fork('shuffle').uint32()).toBe(shuffle);
  });

  test('refuses what is not a seed, a range or a state', () => {
    for (const seed of [-1, 1.5, NaN, 2 ** 53]) expect(() => new Random(seed)).toThrow(/seed/);
    for (const n of [0, -1, 1.5, 2 ** 32 + 1]) expect(() => new Random(0).int(n)).toThrow(/Random.int/);
    for (const state of [[], [0, 0, 0, 0], [1, 2, 3], [1, 2, 3, 2 ** 32]]) {
      expect(() => Random.fromState(state)).toThrow(/state/);
    }
  });
});
