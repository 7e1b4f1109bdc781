/** Lengths of examples in tokens as counts by length, so that percentiles are exact and tasks can be added up. */
export class Lengths {
  count = 0;
  sum = 0;
  max = 0;
  readonly #counts = new Map<number, number>();

  add(length: number, times = 1): void {
    this.count += times;
    this.sum += length * times;
    this.max = Math.max(this.max, length);
    this.#counts.set(length, (this.#counts.get(length) ?? 0) + times);
  }

  /** [length, examples] by increasing length; `addAll` takes it. */
  entries(): [number, number][] {
    return [...this.#counts].sort(([a], [b]) => a - b);
  }

  addAll(entries: readonly [number, number][]): void {
    for (const [length, times] of entries) this.add(length, times);
  }

  /** The smallest length that a fraction of the examples does not exceed. */
  percentile(fraction: number): number {
    let seen = 0;
    for (const [length, times] of this.entries()) {
      seen += times;
      if (seen >= fraction * this.count) return length;
    }
    return this.max;
  }

  /** Examples of up to 16, 32, 64, ... tokens. */
  histogram(): { up_to: number; examples: number }[] {
    const bars: { up_to: number; examples: number }[] = [];
    for (let upTo = 16; bars.length === 0 || upTo / 2 < this.max; upTo *= 2) {
      bars.push({ up_to: upTo, examples: 0 });
    }
    for (const [length, times] of this.entries()) bars.find((bar) => length <= bar.up_to)!.examples += times;
    return bars;
  }

  toJSON(): {
    examples: number;
    mean: number;
    p50: number;
    p90: number;
    p99: number;
    max: number;
    histogram: { up_to: number; examples: number }[];
  } {
    const mean = this.count === 0 ? 0 : Number((this.sum / this.count).toFixed(1));
    const [p50, p90, p99] = [0.5, 0.9, 0.99].map((fraction) => this.percentile(fraction));
    return { examples: this.count, mean, p50: p50!, p90: p90!, p99: p99!, max: this.max, histogram: this.histogram() };
  }
}
