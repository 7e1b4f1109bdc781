import type { Scorer } from '../../src/eval/scorer.ts';
import type { TokenScore } from '../../src/infer/score.ts';

/** The model of test/golden/eval/lm_eval_tasks.py: the logit of t after p is 3 sin(1.7 p + 2.3 t + 0.31 p t). */
export class TableScorer implements Scorer {
  readonly maxLength: number;
  readonly #vocab: number;

  constructor(vocab: number, maxLength: number) {
    this.#vocab = vocab;
    this.maxLength = maxLength;
  }

  #row(previous: number): number[] {
    const logits = Array.from(
      { length: this.#vocab },
      (_, t) => 3 * Math.sin(1.7 * previous + 2.3 * t + 0.31 * previous * t),
    );
    const top = Math.max(...logits);
    const whole = top + Math.log(logits.reduce((sum, x) => sum + Math.exp(x - top), 0));
    return logits.map((x) => x - whole);
  }

  async logProbs(ids: ArrayLike<number>, from: number): Promise<Float64Array> {
    if (from < 1 || ids.length > this.maxLength + 1) throw new Error(`${ids.length} ids from ${from} do not fit`);
    return Float64Array.from({ length: ids.length - from }, (_, i) => this.#row(ids[from + i - 1]!)[ids[from + i]!]!);
  }

  async continuations(context: ArrayLike<number>, list: readonly ArrayLike<number>[]): Promise<TokenScore[]> {
    const scores: TokenScore[] = [];
    for (const continuation of list) {
      const ids = [...Array.from(context), ...Array.from(continuation)];
      const logProbs = await this.logProbs(ids, context.length);
      let greedyMatches = 0;
      logProbs.forEach((value, i) => {
        if (Math.max(...this.#row(ids[context.length + i - 1]!)) === value) greedyMatches++;
      });
      scores.push({ sumLogProb: logProbs.reduce((a, b) => a + b, 0), tokens: continuation.length, greedyMatches });
    }
    return scores;
  }
}
