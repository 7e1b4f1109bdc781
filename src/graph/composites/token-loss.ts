import { LlmkitError } from '../../core/errors.ts';
import { apply, shapeError, staticShape } from '../types.ts';
import type { OpDef, Value } from '../types.ts';
import { add, cast, mul } from '../ops/elementwise.ts';
import { sparseCrossEntropyOp } from '../ops/indexing.ts';
import { concat, reshape, slice } from '../ops/layout.ts';
import { matmul, matmulOp } from '../ops/matmul.ts';
import { sumAll } from '../ops/reduce.ts';

/**
 * The head and the cross entropy together, in chunks of positions, so that the logits never exist whole.
 * Inputs: hidden f32 [N, H], head f32 or bf16 [V, H], targets i32 [N], weights f32 [N] (0 where a position is padding).
 * Outputs: the weighted sum of the losses (f32, rank 0), and its gradients with respect to hidden and head, which the
 * forward pass has at hand anyway; those that nobody asks for are pruned.
 */
export const tokenLossOp: OpDef<{ chunk: number }> = {
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
  expand({ inputs, attrs: { chunk } }, used) {
    const [hidden, head, targets, weights] = inputs as [Value, Value, Value, Value];
    const n = staticShape(hidden)[0]!;
    const losses: Value[] = [];
    const dHidden: Value[] = [];
    const dHead: Value[] = [];
    for (let start = 0; start < n; start += chunk) {
      const size = Math.min(chunk, n - start);
      const rows = cast(slice(hidden, 0, start, size), head.dtype);
      const weight = slice(weights, 0, start, size);
      // A chunk's logits wait for all that is wanted of the chunk before, so that only one chunk's are alive. Waiting for
      // gradients that nobody wants would compute them.
      const controls = [losses, dHidden, dHead].flatMap((made, output) => (used[output] ? made.slice(-1) : []));
      const product = hidden.graph.add(matmulOp, [rows, head], { transposeA: false, transposeB: true }, { controls });
      const logits = cast(product.outputs[0]!, 'f32');
      const entropy = hidden.graph.add(sparseCrossEntropyOp, [logits, slice(targets, 0, start, size)], {});
      const [loss, slope] = entropy.outputs as [Value, Value];
      const dLogits = cast(mul(slope, reshape(weight, [size, 1])), head.dtype);
      losses.push(sumAll(mul(loss, weight)));
      dHidden.push(cast(matmul(dLogits, head), 'f32'));
      dHead.push(cast(matmul(dLogits, rows, { transposeA: true }), 'f32'));
    }
    return [losses.reduce(add), concat(dHidden, 0), dHead.reduce(add)];
  },
};

export const tokenLoss = (hidden: Value, head: Value, targets: Value, weights: Value, chunk: number): Value =>
  apply(tokenLossOp, [hidden, head, targets, weights], { chunk });
