import {
  add,
  addScalar,
  apply,
  cast,
  div,
  greaterEqual,
  linear,
  matmul,
  mul,
  randomUniform,
  scalar,
  scale,
  select,
  shapeError,
  sqrt,
  square,
  sum,
  transpose,
} from '../graph/index.ts';
import type { LinearAttrs, OpDef, Value } from '../graph/index.ts';

export interface LoraFactors {
  /** lora_A, f32 [r, in] */
  a: Value;
  /** lora_B, f32 [out, r] */
  b: Value;
  /** B A is multiplied with this. */
  scaling: number;
  /** DoRA's length of each row, f32 [out]. */
  magnitude?: Value;
  dropout?: Dropout | undefined;
}

export interface Dropout {
  probability: number;
  /** i32 [2], a different one for every layer and step */
  seed: Value;
}

/**
 * A frozen linear layer with its adapter: W x + b + B (A dropout(x)) scale. The scale goes onto [..., r], where it is
 * cheapest. Hu et al., "LoRA" (2021); dropout as in PEFT, on the adapter's input.
 *
 * With a magnitude m it is DoRA (Liu et al. 2024): V = W + B A scale gives each row its direction, m its length,
 * m / |V| (V x) + b. Where there is dropout, W x passes whole and only what DoRA adds to it sees the dropped input, as in
 * PEFT.
 *
 * @param x f32 [..., in]
 * @param weight f32 or bf16 [out, in], or [in, out] when `layout` says so
 * @returns f32 [..., out]
 */
export function adaptedLinear(
  x: Value,
  weight: Value,
  bias: Value | undefined,
  factors: LoraFactors,
  layout: LinearAttrs = { transposed: false },
): Value {
  const { a, b, scaling, magnitude, dropout } = factors;
  const dropped = dropout ? applyDropout(x, dropout) : x;
  const update = linear(scale(linear(dropped, a), scaling), b);
  if (!magnitude) return add(linear(x, weight, bias, layout), update);
  const gain = div(magnitude, rowLengths(layout.transposed ? transpose(weight, [1, 0]) : weight, a, b, scaling));
  if (dropout) {
    const more = add(mul(addScalar(gain, -1), linear(dropped, weight, undefined, layout)), mul(gain, update));
    return add(linear(x, weight, bias, layout), more);
  }
  const y = mul(gain, add(linear(x, weight, undefined, layout), update));
  return bias ? add(y, bias) : y;
}

function applyDropout(x: Value, { probability, seed }: Dropout): Value {
  const kept = greaterEqual(randomUniform(seed, x.shape as number[]), scalar(x.graph, probability));
  return mul(x, select(kept, scalar(x.graph, 1 / (1 - probability)), scalar(x.graph, 0)));
}

/**
 * The length of each row of W + B A scale, f32 [out], without making that matrix:
 * |w + s b A|^2 = |w|^2 + 2 s (w A^T) b + s^2 b (A A^T) b. It counts as a constant in the gradient (section 4.3 of the
 * DoRA paper; PEFT detaches it).
 */
export const rowLengthsOp: OpDef<{ scaling: number }> = {
  name: 'row_lengths',
  infer(inputs) {
    const [weight, a, b] = inputs as [Value, Value, Value];
    const [out, inner] = weight.shape;
    const fits = a.shape[1] === inner && b.shape[0] === out && a.shape[0] === b.shape[1];
    if (!fits) shapeError('row_lengths', 'W [out, in], A [r, in], B [out, r]', inputs);
    return [{ shape: [out!], dtype: 'f32' }];
  },
  gradient: () => [undefined, undefined, undefined],
  expand({ inputs, attrs: { scaling } }) {
    const [weight, a, b] = inputs as [Value, Value, Value];
    const crossing = cast(matmul(weight, cast(a, weight.dtype), { transposeB: true }), 'f32');
    const cross = sum(mul(crossing, b), [1]);
    const own = sum(mul(matmul(b, matmul(a, a, { transposeB: true })), b), [1]);
    const squared = add(sum(square(cast(weight, 'f32')), [1]), scale(cross, 2 * scaling));
    return [sqrt(add(squared, scale(own, scaling * scaling)))];
  },
};

const rowLengths = (weight: Value, a: Value, b: Value, scaling: number): Value =>
  apply(rowLengthsOp, [weight, a, b], { scaling });
