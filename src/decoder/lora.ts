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
  reshape,
  scalar,
  scale,
  select,
  shapeError,
  sqrt,
  square,
  staticShape,
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
  const down = scale(linear(dropped, a), scaling);
  if (!magnitude) return add(linear(x, weight, bias, layout), linear(down, b));
  const gain = div(magnitude, rowLengths(layout.transposed ? transpose(weight, [1, 0]) : weight, a, b, scaling));
  if (dropout) {
    const more = mul(addScalar(gain, -1), linear(dropped, weight, undefined, layout));
    return add(linear(x, weight, bias, layout), add(more, mul(gain, linear(down, b))));
  }
  // The gain goes onto the weight, which is smaller than the tokens' outputs.
  const fixed = apply(detachOp, [gain], {});
  const rows = reshape(fixed, [...staticShape(fixed), 1]);
  const scaled = cast(mul(cast(weight, 'f32'), layout.transposed ? fixed : rows), weight.dtype);
  const product = add(linear(x, scaled, undefined, layout), linear(down, mul(b, rows)));
  const y = apply(gainedOp, [product, gain], {});
  return bias ? add(y, bias) : y;
}

/** The same value, through which no gradient flows. */
const detachOp: OpDef<Record<never, never>> = {
  name: 'detach',
  infer: ([x]) => [{ shape: x!.shape, dtype: x!.dtype }],
  gradient: () => [undefined],
  expand: ({ inputs: [x] }) => [x!],
};

/**
 * y = gain z, [..., out], whose gain was multiplied in before: the value is y as it is, and the gain's gradient is the sum
 * of dy z = dy y / gain over all tokens.
 */
const gainedOp: OpDef<Record<never, never>> = {
  name: 'gained',
  infer: ([y]) => [{ shape: y!.shape, dtype: y!.dtype }],
  gradient({ inputs: [y, gain] }, [dy]) {
    const tokens = [...y!.shape.keys()].slice(0, -1);
    return [dy, div(sum(mul(dy!, y!), tokens), gain!)];
  },
  expand: ({ inputs: [y] }) => [y!],
};

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
