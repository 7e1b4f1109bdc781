import { apply, shapeError } from '../types.ts';
import type { OpDef, Value } from '../types.ts';
import { add, addScalar, mul, rsqrt, square, sub, unbroadcast } from '../ops/elementwise.ts';
import { mean } from '../ops/reduce.ts';

/**
 * RMS norm over the last axis: y = x * r * w with r = 1/sqrt(mean(x^2) + eps).
 * Outputs y [..., n] and r [..., 1], kept for the gradient. Zhang and Sennrich, "Root Mean Square Layer Normalization" (2019).
 */
export const rmsNormOp: OpDef<{ eps: number }> = {
  name: 'rms_norm',
  infer(inputs) {
    const [x, weight] = inputs as [Value, Value];
    if (weight.shape.length !== 1 || weight.shape[0] !== x.shape.at(-1))
      shapeError('rms_norm', 'x [..., n], w [n]', inputs);
    return [
      { shape: x.shape, dtype: 'f32' },
      { shape: [...x.shape.slice(0, -1), 1], dtype: 'f32' },
    ];
  },
  // With h = x r: dx = r (g - h mean(g h)) where g = dy w.
  gradient({ inputs: [x, weight], outputs: [, r] }, [dy]) {
    const h = mul(x!, r!);
    const g = mul(dy!, weight!);
    const dx = mul(sub(g, mul(h, mean(mul(g, h), [-1], true))), r!);
    return [dx, unbroadcast(mul(dy!, h), weight!)];
  },
  expand({ inputs: [x, weight], attrs: { eps } }) {
    const r = rsqrt(addScalar(mean(square(x!), [-1], true), eps));
    return [mul(mul(x!, r), weight!), r];
  },
};
export const rmsNorm = (x: Value, weight: Value, eps: number): Value => apply(rmsNormOp, [x, weight], { eps });

/**
 * Layer norm over the last axis: y = h w + b with h = (x - mean) r and r = 1/sqrt(var + eps).
 * Outputs y and h [..., n] and r [..., 1], kept for the gradient. Ba, Kiros and Hinton, "Layer Normalization" (2016).
 */
export const layerNormOp: OpDef<{ eps: number }> = {
  name: 'layer_norm',
  infer(inputs) {
    const [x, weight, bias] = inputs as [Value, Value, Value];
    const fits = weight.shape[0] === x.shape.at(-1) && bias.shape[0] === x.shape.at(-1);
    if (!fits) shapeError('layer_norm', 'x [..., n], w [n], b [n]', inputs);
    return [
      { shape: x.shape, dtype: 'f32' },
      { shape: x.shape, dtype: 'f32' },
      { shape: [...x.shape.slice(0, -1), 1], dtype: 'f32' },
    ];
  },
  // dx = r (g - mean(g) - h mean(g h)) where g = dy w.
  gradient({ inputs: [, weight, bias], outputs: [, h, r] }, [dy]) {
    const g = mul(dy!, weight!);
    const centred = sub(g, mean(g, [-1], true));
    const dx = mul(sub(centred, mul(h!, mean(mul(g, h!), [-1], true))), r!);
    return [dx, unbroadcast(mul(dy!, h!), weight!), unbroadcast(dy!, bias!)];
  },
  expand({ inputs: [x, weight, bias], attrs: { eps } }) {
    const centred = sub(x!, mean(x!, [-1], true));
    const r = rsqrt(addScalar(mean(square(centred), [-1], true), eps));
    const h = mul(centred, r);
    return [add(mul(h, weight!), bias!), h, r];
  },
};
export const layerNorm = (x: Value, weight: Value, bias: Value, eps: number): Value =>
  apply(layerNormOp, [x, weight, bias], { eps });
