import type { DecoderSession } from '../infer/runner.ts';
import { scoreContinuations, type TokenScore } from '../infer/score.ts';

/** What evaluation asks of a model. Scores depend on the ids alone, never on what was scored before or beside them. */
export interface Scorer {
  /** Most tokens the model reads at once; a sequence to score may be one longer, since its last token is not read. */
  readonly maxLength: number;
  /** Natural log-probability of each of ids[from..] given all before it; `from` is at least 1. */
  logProbs(ids: ArrayLike<number>, from: number): Promise<Float64Array>;
  /** Each continuation after the same context of at least one token; context and continuation fit maxLength + 1. */
  continuations(context: ArrayLike<number>, list: readonly ArrayLike<number>[]): Promise<TokenScore[]>;
}

/** Scores with a decoder on ONNX Runtime. */
export function sessionScorer(session: DecoderSession, signal: AbortSignal): Scorer {
  return {
    maxLength: session.contextLength,
    async logProbs(ids, from) {
      const out = new Float64Array(Math.max(0, ids.length - from));
      if (out.length === 0) return out;
      await session.prefill(Array.from(ids).slice(0, -1), {
        logitsFrom: from - 1,
        reuse: false,
        signal,
        onLogits: (logits, first, rows) => {
          const targets = Int32Array.from({ length: rows }, (_, i) => ids[first + 1 + i]!);
          out.set(session.scorer.score(logits, targets).logProbs, first + 1 - from);
        },
      });
      return out;
    },
    continuations: (context, list) => scoreContinuations(session, context, list, { signal }),
  };
}
