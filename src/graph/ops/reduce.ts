import { apply, shapeError, staticShape } from '../types.ts';
import type { OpDef, Value } from '../types.ts';
import { mul, scale, sub } from './elementwise.ts';
import { broadcastTo, reshape } from './layout.ts';

export interface ReduceAttrs {
  axes: number[];
  keepDims: boolean;
}

function reduction(name: string, gradient?: OpDef<ReduceAttrs>['gradient']): OpDef<ReduceAttrs> {
  const def: OpDef<ReduceAttrs> = {
    name,
    infer(inputs, { axes, keepDims }) {
      const { shape, dtype } = inputs[0]!;
      if (axes.some((axis) => axis < 0 || axis >= shape.length)) shapeError(name, `axes ${axes} out of range`, inputs);
      const kept = shape.flatMap((dim, i) => (axes.includes(i) ? (keepDims ? [1] : []) : [dim]));
      return [{ shape: kept, dtype }];
    },
  };
  if (gradient) def.gradient = gradient;
  return def;
}

function spread(grad: Value, x: Value, axes: readonly number[]): Value {
  const shape = staticShape(x);
  const kept = shape.map((dim, i) => (axes.includes(i) ? 1 : dim));
  return broadcastTo(reshape(grad, kept), shape);
}

export const sumOp = reduction('sum', ({ inputs: [x], attrs }, [dy]) => [spread(dy!, x!, attrs.axes)]);
export const meanOp = reduction('mean', ({ inputs: [x], attrs }, [dy]) => {
  const count = attrs.axes.reduce((product, axis) => product * (staticShape(x!)[axis] ?? 1), 1);
  return [spread(scale(dy!, 1 / count), x!, attrs.axes)];
});
/** No gradient: only the softmax family uses it, and carries its own. */
export const maxOp = reduction('max');

function reduce(def: OpDef<ReduceAttrs>, x: Value, axes: number[], keepDims: boolean): Value {
  const positive = axes.map((axis) => (axis < 0 ? axis + x.shape.length : axis));
  return apply(def, [x], { axes: positive, keepDims });
}
export const sum = (x: Value, axes: number[], keepDims = false): Value => reduce(sumOp, x, axes, keepDims);
export const mean = (x: Value, axes: number[], keepDims = false): Value => reduce(meanOp, x, axes, keepDims);
export const max = (x: Value, axes: number[], keepDims = false): Value => reduce(maxOp, x, axes, keepDims);
/** The sum of everything: f32 of rank 0. */
export const sumAll = (x: Value): Value => sum(x, [...x.shape.keys()]);

/** Softmax over the last axis, f32. dX = P * (dP - rowsum(dP * P)). */
export const softmaxOp: OpDef<Record<never, never>> = {
  name: 'softmax',
  infer: ([x]) => [{ shape: x!.shape, dtype: x!.dtype }],
  gradient({ outputs: [p] }, [dp]) {
    return [mul(p!, sub(dp!, sum(mul(dp!, p!), [-1], true)))];
  },
};
export const softmax = (x: Value): Value => apply(softmaxOp, [x], {});
