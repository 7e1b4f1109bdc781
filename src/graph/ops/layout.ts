import { apply, broadcastShapes, sameShape, shapeError, staticShape } from '../types.ts';
import type { Dim, OpDef, Shape, Value } from '../types.ts';
import { unbroadcast } from './elementwise.ts';

/** Sizes must multiply to the same; symbolic sizes must appear on both sides. */
export const reshapeOp: OpDef<{ shape: Shape }> = {
  name: 'reshape',
  infer(inputs, { shape }) {
    const count = (dims: Shape): string => {
      const known = dims.reduce<number>((product, dim) => (typeof dim === 'number' ? product * dim : product), 1);
      return [known, ...dims.filter((dim) => typeof dim === 'string').sort()].join(',');
    };
    if (count(shape) !== count(inputs[0]!.shape)) shapeError('reshape', `cannot become [${shape.join(', ')}]`, inputs);
    return [{ shape, dtype: inputs[0]!.dtype }];
  },
  gradient: ({ inputs: [x] }, [dy]) => [reshape(dy!, x!.shape)],
};
export const reshape = (x: Value, shape: Shape): Value =>
  sameShape(x.shape, shape) ? x : apply(reshapeOp, [x], { shape: [...shape] });

/** Output axis i is input axis permutation[i]. */
export const transposeOp: OpDef<{ permutation: number[] }> = {
  name: 'transpose',
  infer(inputs, { permutation }) {
    const { shape, dtype } = inputs[0]!;
    if ([...permutation].sort((a, b) => a - b).some((axis, i) => axis !== i) || permutation.length !== shape.length) {
      shapeError('transpose', `[${permutation.join(', ')}] is not a permutation of the axes`, inputs);
    }
    return [{ shape: permutation.map((axis) => shape[axis]!), dtype }];
  },
  gradient({ attrs: { permutation } }, [dy]) {
    const inverse = permutation.map((_, axis) => permutation.indexOf(axis));
    return [transpose(dy!, inverse)];
  },
};
export const transpose = (x: Value, permutation: number[]): Value => apply(transposeOp, [x], { permutation });

/** Joins along one axis. */
export const concatOp: OpDef<{ axis: number }> = {
  name: 'concat',
  infer(inputs, { axis }) {
    const first = inputs[0]!;
    const fits = (other: Value): boolean =>
      other.dtype === first.dtype && sameShape(other.shape.toSpliced(axis, 1), first.shape.toSpliced(axis, 1));
    if (axis < 0 || axis >= first.shape.length || !inputs.every(fits)) shapeError('concat', `on axis ${axis}`, inputs);
    const size = inputs.reduce((total, part) => total + (part.shape[axis] as number), 0);
    return [{ shape: first.shape.with(axis, size), dtype: first.dtype }];
  },
  gradient({ inputs, attrs: { axis } }, [dy]) {
    let start = 0;
    return inputs.map((part) => {
      const size = part.shape[axis] as number;
      start += size;
      return slice(dy!, axis, start - size, size);
    });
  },
};
export const concat = (parts: Value[], axis: number): Value =>
  parts.length === 1 ? parts[0]! : apply(concatOp, parts, { axis });

/** `size` entries of one axis from `start`. */
export const sliceOp: OpDef<{ axis: number; start: number; size: number }> = {
  name: 'slice',
  infer(inputs, { axis, start, size }) {
    const { shape, dtype } = inputs[0]!;
    const dim = shape[axis];
    const inside = typeof dim === 'number' && start >= 0 && size > 0 && start + size <= dim;
    if (!inside) shapeError('slice', `axis ${axis} from ${start}, ${size} entries`, inputs);
    return [{ shape: shape.with(axis, size), dtype }];
  },
  gradient: ({ inputs: [x], attrs: { axis, start, size } }, [dy]) => {
    const after = staticShape(x!)[axis]! - start - size;
    return [pad(dy!, axis, start, after)];
  },
};
export const slice = (x: Value, axis: number, start: number, size: number): Value =>
  start === 0 && size === x.shape[axis] ? x : apply(sliceOp, [x], { axis, start, size });

/** Zeros before and after along one axis. */
export const padOp: OpDef<{ axis: number; before: number; after: number }> = {
  name: 'pad',
  infer(inputs, { axis, before, after }) {
    const { shape, dtype } = inputs[0]!;
    const dim = shape[axis];
    if (typeof dim !== 'number') shapeError('pad', `the size of axis ${axis} is not known`, inputs);
    return [{ shape: shape.with(axis, dim + before + after), dtype }];
  },
  gradient: ({ inputs: [x], attrs: { axis, before } }, [dy]) => [slice(dy!, axis, before, staticShape(x!)[axis]!)],
};
export const pad = (x: Value, axis: number, before: number, after: number): Value =>
  before === 0 && after === 0 ? x : apply(padOp, [x], { axis, before, after });

/** Repeats along axes of size 1, as in NumPy's broadcast_to. */
export const broadcastToOp: OpDef<{ shape: number[] }> = {
  name: 'broadcast_to',
  infer(inputs, { shape }) {
    const joint: Dim[] | undefined = broadcastShapes(inputs[0]!.shape, shape);
    if (!joint || !sameShape(joint, shape)) shapeError('broadcast_to', `[${shape.join(', ')}]`, inputs);
    return [{ shape, dtype: inputs[0]!.dtype }];
  },
  gradient: ({ inputs: [x] }, [dy]) => [unbroadcast(dy!, x!)],
};
export const broadcastTo = (x: Value, shape: number[]): Value =>
  sameShape(x.shape, shape) ? x : apply(broadcastToOp, [x], { shape });
