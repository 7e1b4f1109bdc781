import { shapeError } from '../types.ts';
import type { OpDef, Value } from '../types.ts';
import { scale } from '../ops/elementwise.ts';
import { concat, slice } from '../ops/layout.ts';

/** Parts of one axis, of the given sizes, that make up the whole of it. One gradient is written for all of them together. */
export const splitOp: OpDef<{ axis: number; sizes: readonly number[] }> = {
  name: 'split',
  infer([x], { axis, sizes }) {
    const whole = sizes.reduce((sum, size) => sum + size, 0);
    if (x!.shape[axis] !== whole) shapeError('split', `axis ${axis} into ${sizes.join(', ')}`, [x!]);
    return sizes.map((size) => ({ shape: x!.shape.with(axis, size), dtype: x!.dtype }));
  },
  gradient({ outputs, attrs: { axis } }, grads) {
    return [
      concat(
        outputs.map((part, i) => grads[i] ?? scale(part, 0)),
        axis,
      ),
    ];
  },
  expand({ inputs: [x], attrs: { axis, sizes } }) {
    let start = 0;
    return sizes.map((size) => {
      start += size;
      return slice(x!, axis, start - size, size);
    });
  },
};
export const split = (x: Value, axis: number, sizes: readonly number[]): readonly Value[] =>
  x.graph.add(splitOp, [x], { axis, sizes }).outputs;
