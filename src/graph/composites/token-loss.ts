import { LlmkitError } from '../../core/errors.ts';
import { apply, shapeError, staticShape } from '../types.ts';
import type { OpDef, Value } from '../types.ts';
import { add, addScalar, cast, mul, scale, sub } from '../ops/elementwise.ts';
import { gather, segmentSum, sparseCrossEntropyOp } from '../ops/indexing.ts';
import { broadcastTo, concat, reshape, slice } from '../ops/layout.ts';
import { matmul, matmulOp } from '../ops/matmul.ts';
import { sum, sumAll } from '../ops/reduce.ts';
import { scalar } from '../ops/sources.ts';

export interface TokenLossAttrs {
  /** Positions whose logits exist at a time. */
  chunk: number;
  /** Label smoothing, e: the loss is (1 - e) times the target's plus e times the mean over the vocabulary. */
  smoothing: number;
  /** z-loss: this times the squared logarithm of the softmax sum is added (Chowdhery et al., PaLM, 2022). */
  zLoss: number;
}

/**
 * The head and the cross entropy together, in chunks of positions, so that the logits never exist whole.
 * Inputs: hidden f32 [N, H], head f32 or bf16 [V, H], targets i32 [N], weights f32 [N] (0 where a position is padding).
 * Outputs: the weighted sum of the losses (f32, rank 0), and its gradients with respect to hidden and head, which the
 * forward pass has at hand anyway; those that nobody asks for are pruned.
 */
export const tokenLossOp: OpDef<TokenLossAttrs> = {
  name: 'token_loss',
  infer(inputs) {
    const [hidden, head, targets, weights] = inputs as [Value, Value, Value, Value];
    const n = hidden.shape[0];
    const fits = head.shape[1] === hidden.shape[1] && targets.shape[0] === n && weights.shape[0] === n;
    if (!fits || targets.dtype !== 'i32')
      shapeError('token_loss', 'hidden [N, H], head [V, H], targets, weights', inputs);
    return [
      { shape: [], dtype: 'f32' },
      { shape: hidden.shape, dtype: 'f32' },
      { shape: head.shape, dtype: 'f32' },
    ];
  },
  gradient({ outputs }, [dLoss, ...rest]) {
    if (rest.some(Boolean)) throw new LlmkitError('bug', 'token_loss is differentiated once only');
    const [, dHidden, dHead] = outputs as [Value, Value, Value];
    return [mul(dHidden, dLoss!), mul(dHead, dLoss!), undefined, undefined];
  },
  expand({ inputs, attrs }, used) {
    const { chunk } = attrs;
    const [hidden, head, targets, weights] = inputs as [Value, Value, Value, Value];
    const n = staticShape(hidden)[0]!;
    const meanRow = attrs.smoothing > 0 ? meanOfRows(head) : undefined;
    const losses: Value[] = [];
    const dHidden: Value[] = [];
    const dHead: Value[] = [];
    for (let start = 0; start < n; start += chunk) {
      const size = Math.min(chunk, n - start);
      const rows = cast(slice(hidden, 0, start, size), head.dtype);
      const weight = slice(weights, 0, start, size);
      const ids = slice(targets, 0, start, size);
      // A chunk's logits wait for all that is wanted of the chunk before, so that only one chunk's are alive. Waiting for
      // gradients that nobody wants would compute them.
      const controls = [losses, dHidden, dHead].flatMap((made, output) => (used[output] ? made.slice(-1) : []));
      const product = hidden.graph.add(matmulOp, [rows, head], { transposeA: false, transposeB: true }, { controls });
      const logits = cast(product.outputs[0]!, 'f32');
      const entropy = hidden.graph.add(sparseCrossEntropyOp, [logits, ids], {});
      const [entropies, slope] = entropy.outputs as [Value, Value];
      const extra = extraTerms({ rows, head, ids, weight, entropies, meanRow }, attrs);
      const slopeWeight = extra ? mul(weight, extra.slopeFactor) : weight;
      const dLogits = cast(mul(slope, reshape(slopeWeight, [size, 1])), head.dtype);
      losses.push(sumAll(mul(extra ? add(entropies, extra.loss) : entropies, weight)));
      const toHidden = cast(matmul(dLogits, head), 'f32');
      const toHead = cast(matmul(dLogits, rows, { transposeA: true }), 'f32');
      dHidden.push(extra ? add(toHidden, extra.dHidden) : toHidden);
      dHead.push(extra ? add(toHead, extra.dHead) : toHead);
    }
    return [losses.reduce(add), concat(dHidden, 0), dHead.reduce(add)];
  },
};

interface Chunk {
  /** [n, H], in the precision of the head. */
  rows: Value;
  head: Value;
  ids: Value;
  weight: Value;
  entropies: Value;
  /** f32 [1, H], where there is smoothing. */
  meanRow: Value | undefined;
}

/**
 * Label smoothing and z-loss without another pass over the logits. With z the target's logit, m the mean logit and
 * lse = entropy + z, the loss grows by e (z - m) + c lse^2, whose gradient by the logits is
 * 2 c lse (slope + onehot) + e (onehot - 1 / V): products of the target's row of the head, and of its mean row.
 */
function extraTerms(
  { rows, head, ids, weight, entropies, meanRow }: Chunk,
  { smoothing, zLoss }: TokenLossAttrs,
): { loss: Value; slopeFactor: Value; dHidden: Value; dHead: Value } | undefined {
  if (smoothing === 0 && zLoss === 0) return undefined;
  const [vocab] = staticShape(head) as [number, number];
  const [size] = staticShape(rows) as [number, number];
  const x = cast(rows, 'f32');
  const targetRow = cast(gather(head, ids), 'f32');
  const targetLogit = sum(mul(x, targetRow), [1]);
  const logSum = add(entropies, targetLogit);
  const twice = scale(logSum, 2 * zLoss);
  const column = (v: Value): Value => reshape(v, [size, 1]);
  const onehot = column(mul(weight, addScalar(twice, smoothing)));
  let loss = scale(mul(logSum, logSum), zLoss);
  let dHidden = mul(targetRow, onehot);
  let dHead = segmentSum(mul(x, onehot), ids, vocab);
  if (meanRow) {
    const spread = scale(column(weight), smoothing);
    loss = add(loss, scale(sub(targetLogit, sum(mul(x, meanRow), [1])), smoothing));
    dHidden = sub(dHidden, mul(meanRow, spread));
    dHead = sub(dHead, scale(sum(mul(x, spread), [0], true), 1 / vocab));
  }
  return { loss, slopeFactor: addScalar(twice, 1), dHidden, dHead };
}

/** The mean row of the head, f32 [1, H], as a product: a sum would want the whole head in f32. */
function meanOfRows(head: Value): Value {
  const [vocab] = staticShape(head) as [number, number];
  const ones = broadcastTo(reshape(scalar(head.graph, 1), [1, 1]), [1, vocab]);
  return scale(cast(matmul(cast(ones, head.dtype), head), 'f32'), 1 / vocab);
}

/** The weighted sum of the losses of `targets`; see `tokenLossOp`. */
export function tokenLoss(
  hidden: Value,
  head: Value,
  targets: Value,
  weights: Value,
  chunk: number,
  { smoothing = 0, zLoss = 0 }: Partial<TokenLossAttrs> = {},
): Value {
  return apply(tokenLossOp, [hidden, head, targets, weights], { chunk, smoothing, zLoss });
}
