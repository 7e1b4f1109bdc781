import { apply, sameShape, shapeError } from '../types.ts';
import type { OpDef, Value } from '../types.ts';
import { add, addScalar, erf, mul, scale, sigmoid, sub, tanh } from '../ops/elementwise.ts';

/**
 * SwiGLU's elementwise part: h = silu(gate) * up = gate s up with s = sigmoid(gate).
 * Outputs h and s, kept for the gradient. Shazeer, "GLU Variants Improve Transformer" (2020).
 */
export const swigluOp: OpDef<Record<never, never>> = {
  name: 'swiglu',
  infer(inputs) {
    const [gate, up] = inputs as [Value, Value];
    if (!sameShape(gate.shape, up.shape)) shapeError('swiglu', 'gate and up differ', inputs);
    return [
      { shape: gate.shape, dtype: 'f32' },
      { shape: gate.shape, dtype: 'f32' },
    ];
  },
  // silu'(g) = s + silu(g) (1 - s) = silu(g) + s (1 - silu(g)).
  gradient({ inputs: [gate, up], outputs: [, s] }, [dh]) {
    const silu = mul(gate!, s!);
    const slope = add(silu, sub(s!, mul(s!, silu)));
    return [mul(mul(dh!, up!), slope), mul(dh!, silu)];
  },
  expand({ inputs: [gate, up] }) {
    const s = sigmoid(gate!);
    return [mul(mul(gate!, s), up!), s];
  },
};
export const swiglu = (gate: Value, up: Value): Value => apply(swigluOp, [gate, up], {});

/** GELU, exact or by the tanh approximation; differentiated through its expansion. Hendrycks and Gimpel (2016). */
export const geluOp: OpDef<{ approximate: boolean }> = {
  name: 'gelu',
  infer: ([x]) => [{ shape: x!.shape, dtype: x!.dtype }],
  expand({ inputs: [x], attrs: { approximate } }) {
    if (!approximate) return [scale(mul(x!, addScalar(erf(scale(x!, Math.SQRT1_2)), 1)), 0.5)];
    const inner = scale(add(x!, scale(mul(x!, mul(x!, x!)), 0.044715)), Math.sqrt(2 / Math.PI));
    return [scale(mul(x!, addScalar(tanh(inner), 1)), 0.5)];
  },
};
export const gelu = (x: Value, approximate: boolean): Value => apply(geluOp, [x], { approximate });
