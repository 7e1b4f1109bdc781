import { LlmkitError } from '../core/errors.ts';
import { createSession, ortTensor, type OrtSession } from '../engine/ort/index.ts';
import type { OnnxGraph } from '../io/onnx-graph.ts';
import { encodeOnnxModel } from '../io/onnx.ts';

export interface RowScores {
  /** log softmax(logits)[target], one a row. */
  logProbs: Float32Array;
  /** The target is the (first) likeliest token: 1 or 0. */
  greedy: Uint8Array;
}

/**
 * Log-probabilities of target tokens from logits, as a small graph of its own: ONNX Runtime's vectorized softmax takes a
 * seventeenth of the time of a loop in JavaScript (29 against 483 us a row of 49,152 on two cores).
 */
export class LogitScorer {
  readonly #vocab: number;
  readonly #session: OrtSession;

  constructor(vocab: number, threads: number | undefined) {
    this.#vocab = vocab;
    this.#session = createSession(encodeOnnxModel(scoreGraph(vocab)), threads === undefined ? {} : { threads });
  }

  /**
   * @param logits f32 [rows, vocab]
   * @param targets one id a row
   * @throws LlmkitError('data') when a row is not finite: the model is broken or overflowed.
   */
  score(logits: Float32Array, targets: ArrayLike<number>): RowScores {
    const rows = targets.length;
    const feeds = {
      logits: ortTensor(logits, [rows, this.#vocab]),
      targets: ortTensor(BigInt64Array.from(targets, BigInt), [rows, 1]),
    };
    const { log_probs: found, best } = this.#session.run(feeds, ['log_probs', 'best']);
    feeds.logits.dispose();
    feeds.targets.dispose();
    const logProbs = found!.data as Float32Array;
    const bad = logProbs.findIndex(Number.isNaN);
    if (bad >= 0) {
      throw new LlmkitError('data', 'the model computed no usable logits', {
        expected: 'finite numbers',
        got: `${logProbs[bad]} for token ${targets[bad]}`,
      });
    }
    return {
      logProbs,
      greedy: Uint8Array.from(best!.data as BigInt64Array, (id, i) => (Number(id) === targets[i] ? 1 : 0)),
    };
  }

  dispose(): void {
    this.#session.dispose();
  }
}

function scoreGraph(vocab: number): OnnxGraph {
  const attrs = { axis: { i: 1 } };
  return {
    nodes: [
      { name: 'softmax', op: 'LogSoftmax', inputs: ['logits'], outputs: ['all'], attrs },
      { name: 'pick', op: 'GatherElements', inputs: ['all', 'targets'], outputs: ['log_probs'], attrs },
      { name: 'best', op: 'ArgMax', inputs: ['logits'], outputs: ['best'], attrs: { ...attrs, keepdims: { i: 0 } } },
    ],
    inputs: [
      { name: 'logits', dtype: 'f32', dims: ['rows', vocab] },
      { name: 'targets', dtype: 'i64', dims: ['rows', 1] },
    ],
    outputs: [
      { name: 'log_probs', dtype: 'f32', dims: ['rows', 1] },
      { name: 'best', dtype: 'i64', dims: ['rows'] },
    ],
    initializers: [],
  };
}
