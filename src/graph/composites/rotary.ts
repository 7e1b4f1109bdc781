import { apply, shapeError } from '../types.ts';
import type { OpDef, Value } from '../types.ts';
import { add, mul, neg } from '../ops/elementwise.ts';
import { concat, slice } from '../ops/layout.ts';

/**
 * Rotary position embedding of x [..., d]: y = x cos + rotate(x) sin, where rotate swaps the halves and negates the first.
 * cos and sin broadcast against x; their last axis is d and both halves of it are equal, which is what makes the
 * inverse rotation the gradient. Su et al., "RoFormer" (2021), in the half-split form of transformers.
 */
export const rotaryOp: OpDef<Record<never, never>> = {
  name: 'rotary',
  infer(inputs) {
    const [x, cos, sin] = inputs as [Value, Value, Value];
    const d = x.shape.at(-1);
    if (cos.shape.at(-1) !== d || sin.shape.at(-1) !== d) shapeError('rotary', 'cos and sin must end in d', inputs);
    return [{ shape: x.shape, dtype: 'f32' }];
  },
  gradient: ({ inputs: [, cos, sin] }, [dy]) => [rotary(dy!, cos!, neg(sin!)), undefined, undefined],
  expand({ inputs: [x, cos, sin] }) {
    const axis = x!.shape.length - 1;
    const half = (x!.shape[axis] as number) / 2;
    const rotated = concat([neg(slice(x!, axis, half, half)), slice(x!, axis, 0, half)], axis);
    return [add(mul(x!, cos!), mul(rotated, sin!))];
  },
};
export const rotary = (x: Value, cos: Value, sin: Value): Value => apply(rotaryOp, [x, cos, sin], {});
