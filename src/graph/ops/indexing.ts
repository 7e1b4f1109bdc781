import { LlmkitError } from '../../core/errors.ts';
import { apply, elements, shapeError, staticShape } from '../types.ts';
import type { OpDef, Value } from '../types.ts';
import { reshape } from './layout.ts';

/** Entries of a table along one axis (its rows, by default) at indices i32 or i64 of any shape, which replace the axis. */
export const gatherOp: OpDef<{ axis: number }> = {
  name: 'gather',
  infer(inputs, { axis }) {
    const [table, indices] = inputs as [Value, Value];
    if (indices.dtype !== 'i32' && indices.dtype !== 'i64') shapeError('gather', 'indices must be integers', inputs);
    const shape = [...table.shape.slice(0, axis), ...indices.shape, ...table.shape.slice(axis + 1)];
    return [{ shape, dtype: table.dtype }];
  },
  gradient({ inputs: [table, indices], attrs: { axis } }, [dy]) {
    if (axis !== 0) throw new LlmkitError('bug', 'gather is differentiated along its first axis only');
    const [rows, ...row] = staticShape(table!);
    const count = elements(indices!);
    return [segmentSum(reshape(dy!, [count, ...row]), reshape(indices!, [count]), rows!), undefined];
  },
};
export const gather = (table: Value, indices: Value, axis = 0): Value => apply(gatherOp, [table, indices], { axis });

/** out[segment] = the sum of the rows of `data` [n, ...] whose id i32 [n] is that segment. */
export const segmentSumOp: OpDef<{ segments: number }> = {
  name: 'segment_sum',
  infer(inputs, { segments }) {
    const [data, ids] = inputs as [Value, Value];
    if (ids.shape.length !== 1 || ids.shape[0] !== data.shape[0]) shapeError('segment_sum', 'one id a row', inputs);
    return [{ shape: [segments, ...data.shape.slice(1)], dtype: data.dtype }];
  },
  gradient: ({ inputs: [, ids] }, [dy]) => [gather(dy!, ids!), undefined],
};
export const segmentSum = (data: Value, ids: Value, segments: number): Value =>
  apply(segmentSumOp, [data, ids], { segments });

/**
 * Cross entropy of logits f32 [n, classes] with labels i32 [n]: losses [n], and softmax minus one-hot [n, classes].
 * The second output is the gradient, made on the way; nothing differentiates through it.
 */
export const sparseCrossEntropyOp: OpDef<Record<never, never>> = {
  name: 'sparse_cross_entropy',
  infer(inputs) {
    const [logits, labels] = inputs as [Value, Value];
    if (logits.shape.length !== 2 || labels.shape[0] !== logits.shape[0] || labels.dtype !== 'i32') {
      shapeError('sparse_cross_entropy', 'needs logits [n, classes] and labels i32 [n]', inputs);
    }
    return [
      { shape: [logits.shape[0]!], dtype: 'f32' },
      { shape: logits.shape, dtype: 'f32' },
    ];
  },
};

/** Uniform f32 in [0, 1) of a static shape from a seed i32 [2]: the same seed gives the same numbers. */
export const randomUniformOp: OpDef<{ shape: number[] }> = {
  name: 'random_uniform',
  infer(inputs, { shape }) {
    if (inputs[0]!.dtype !== 'i32' || inputs[0]!.shape[0] !== 2)
      shapeError('random_uniform', 'seed is i32 [2]', inputs);
    return [{ shape, dtype: 'f32' }];
  },
};
export const randomUniform = (seed: Value, shape: number[]): Value => apply(randomUniformOp, [seed], { shape });
