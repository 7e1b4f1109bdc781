import { LlmkitError } from './errors.ts';

/** The splitmix32 generator: spreads one 32-bit seed over as many words as are asked for. */
function splitmix32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
}

/**
 * Seeded random numbers: xoshiro128** (Blackman and Vigna, 2018), seeded by splitmix32.
 * The same seed gives the same numbers on every machine; `state` and `fromState` carry a stream over a restart.
 * Not for secrets.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** @param seed a whole number from 0 to 2^53 - 1; throws `usage` otherwise. */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new LlmkitError('usage', 'a seed must be a whole number of at least 0', {
        where: 'seed',
        expected: '0 to 9007199254740991',
        got: String(seed),
      });
    }
    const high = Math.floor(seed / 0x1_0000_0000);
    const next = splitmix32((seed >>> 0) ^ Math.imul(high, 0x9e3779b9));
    this.#a = next();
    this.#b = next();
    this.#c = next();
    this.#d = next();
  }

  /** A whole number in [0, 2^32). */
  uint32(): number {
    const b = this.#b;
    const x = Math.imul(b, 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
    const c = this.#c ^ this.#a;
    const d = this.#d ^ b;
    this.#b = b ^ c;
    this.#a ^= d;
    this.#c = c ^ (b << 9);
    this.#d = (d << 11) | (d >>> 21);
    return result;
  }

  /** Uniform in [0, 1), in steps of 2^-32. */
  float(): number {
    return this.uint32() / 0x1_0000_0000;
  }

  /** Standard normal by Box and Muller (1958). The second of each pair is dropped, so the state stays four words. */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log((this.uint32() + 1) / 0x1_0000_0000));
    return radius * Math.cos(2 * Math.PI * this.float());
  }

  /** A whole number in [0, n), every one equally likely, for 1 <= n <= 2^32. */
  int(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 0x1_0000_0000) {
      throw new LlmkitError('bug', 'Random.int needs a whole number from 1 to 2^32', { got: String(n) });
    }
    // Numbers past the last whole multiple of n are drawn again, else small results would come up more often.
    const limit = 0x1_0000_0000 - (0x1_0000_0000 % n);
    for (;;) {
      const value = this.uint32();
      if (value < limit) return value % n;
    }
  }

  /** Shuffles in place (Fisher and Yates) and returns the same array. */
  shuffle<T>(array: T[]): T[] {
    for (let i = array.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      const held = array[i]!;
      array[i] = array[j]!;
      array[j] = held;
    }
    return array;
  }

  /**
   * A stream of its own for one purpose, drawn from the present state and the label. This stream does not advance,
   * so forks do not depend on the order they are made in; the same label at the same state gives the same stream.
   */
  fork(label: string): Random {
    let hash = 0x811c9dc5;
    for (let i = 0; i < label.length; i++) hash = Math.imul(hash ^ label.charCodeAt(i), 0x01000193);
    const next = splitmix32(hash);
    const mixed = this.state.map((word) => splitmix32(word ^ next())());
    return Random.fromState(mixed);
  }

  /** Four 32-bit words: all there is to know, for a checkpoint. */
  get state(): number[] {
    return [this.#a >>> 0, this.#b >>> 0, this.#c >>> 0, this.#d >>> 0];
  }

  /** The stream that `state` was read from, going on where it was. Throws `data` when the words are not a state. */
  static fromState(state: readonly number[]): Random {
    const whole = state.length === 4 && state.every((word) => Number.isInteger(word) && word >>> 0 === word);
    if (!whole || state.every((word) => word === 0)) {
      throw new LlmkitError('data', 'not the state of a random stream', {
        expected: 'four whole numbers below 2^32, not all zero',
        got: JSON.stringify(state),
      });
    }
    const random = new Random(0);
    [random.#a, random.#b, random.#c, random.#d] = state as [number, number, number, number];
    return random;
  }
}
