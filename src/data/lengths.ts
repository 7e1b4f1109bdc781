/** Lengths of examples in tokens: counts up to a limit, so that percentiles are exact and memory is fixed. */
export class Lengths {
  count = 0;
  sum = 0;
  max = 0;
  readonly #counts: Uint32Array;

  /** Longer lengths count as `limit` in the percentiles; the histogram knows them by powers of two. */
  constructor(limit = 2 ** 20) {
    this.#counts = new Uint32Array(limit + 1);
  }

  add(length: number): void {
    this.count++;
    this.sum += length;
    this.max = Math.max(this.max, length);
    this.#counts[Math.min(length, this.#counts.length - 1)]!++;
  }

  /** The smallest length that a fraction of the examples does not exceed. */
  percentile(fraction: number): number {
    let seen = 0;
    for (let length = 0; length < this.#counts.length; length++) {
      seen += this.#counts[length]!;
      if (seen >= fraction * this.count) return length;
    }
    return this.max;
  }

  /** Examples of up to 16, 32, 64, ... tokens. */
  histogram(): { up_to: number; examples: number }[] {
    const bars: { up_to: number; examples: number }[] = [];
    let from = 0;
    for (let upTo = 16; from <= Math.min(this.max, this.#counts.length - 1); upTo *= 2) {
      let examples = 0;
      for (let length = from; length <= upTo && length < this.#counts.length; length++)
        examples += this.#counts[length]!;
      bars.push({ up_to: upTo, examples });
      from = upTo + 1;
    }
    return bars;
  }

  toJSON(): object {
    const mean = this.count === 0 ? 0 : Number((this.sum / this.count).toFixed(1));
    const [p50, p90, p99] = [0.5, 0.9, 0.99].map((fraction) => this.percentile(fraction));
    return { examples: this.count, mean, p50, p90, p99, max: this.max, histogram: this.histogram() };
  }
}
