import { apply, shapeError, staticShape } from '../types.ts';
import type { OpDef, Value } from '../types.ts';
import { add, cast } from '../ops/elementwise.ts';
import { matmul } from '../ops/matmul.ts';
import { reshape } from '../ops/layout.ts';
import { sum } from '../ops/reduce.ts';

export interface LinearAttrs {
  /** W is stored [in, out] (GPT-2's Conv1D) rather than [out, in]. */
  transposed: boolean;
}

/**
 * y = x W^T + b, as checkpoints store it: x f32 [..., in], W f32 or bf16 [out, in] (or y = x W + b with W [in, out]), b f32 [out].
 * With W in bf16 the products are taken in bf16, those of the gradient too, and come out as f32.
 */
export const linearOp: OpDef<LinearAttrs> = {
  name: 'linear',
  infer(inputs, { transposed }) {
    const [x, weight, bias] = inputs as [Value, Value, Value?];
    const [out, inner] = transposed ? [weight.shape[1], weight.shape[0]] : weight.shape;
    const fits = weight.shape.length === 2 && inner === x.shape.at(-1) && x.dtype === 'f32';
    if (!fits || (bias && bias.shape[0] !== out)) {
      shapeError('linear', transposed ? 'x [..., in], W [in, out]' : 'x [..., in], W [out, in]', inputs);
    }
    return [{ shape: [...x.shape.slice(0, -1), out!], dtype: 'f32' }];
  },
  gradient({ inputs, attrs: { transposed } }, [dy]) {
    const [x, weight, bias] = inputs as [Value, Value, Value?];
    const dx = product(dy!, weight, transposed);
    const [dyRows, xRows] = [cast(rows(dy!), weight.dtype), cast(rows(x), weight.dtype)];
    const [left, right] = transposed ? [xRows, dyRows] : [dyRows, xRows];
    const dw = cast(matmul(left, right, { transposeA: true }), 'f32');
    return [dx, dw, ...(bias ? [sum(rows(dy!), [0])] : [])];
  },
  expand({ inputs, attrs: { transposed } }) {
    const [x, weight, bias] = inputs as [Value, Value, Value?];
    const y = product(x, weight, !transposed);
    return [bias ? add(y, bias) : y];
  },
};

/** x [..., k] times a matrix, in the matrix's own precision. */
function product(x: Value, weight: Value, transposeB: boolean): Value {
  const flat = rows(x);
  const y = cast(matmul(cast(flat, weight.dtype), weight, { transposeB }), 'f32');
  return reshape(y, [...x.shape.slice(0, -1), y.shape[1]!]);
}

/** [..., n] as [rows, n]. */
function rows(x: Value): Value {
  const shape = staticShape(x);
  return reshape(x, [shape.slice(0, -1).reduce((product, dim) => product * dim, 1), shape.at(-1)!]);
}

export function linear(
  x: Value,
  weight: Value,
  bias?: Value,
  { transposed = false }: Partial<LinearAttrs> = {},
): Value {
  return apply(linearOp, bias ? [x, weight, bias] : [x, weight], { transposed });
}

export interface QuantizedLinearAttrs {
  scheme: 'w8a8' | 'w8a16';
  /** Input columns that share a scale (w8a16); 0 for one scale an output channel (w8a8). */
  groupSize: number;
}

/**
 * y = x dequantize(Q)^T + b for inference, lowered to ONNX only. The codes lie as their kernels want them:
 * w8a8: i8 [in, out], scales f32 [out]; each row of x is quantized to unsigned 8 bits around 128 as it comes.
 * w8a16: u8 [out, groups, groupSize] with zero at 128, scales f32 [out, groups].
 */
export const quantizedLinearOp: OpDef<QuantizedLinearAttrs> = {
  name: 'quantized_linear',
  infer(inputs, { scheme, groupSize }) {
    const [x, codes, scales] = inputs as [Value, Value, Value];
    const [out, width] =
      scheme === 'w8a8'
        ? [codes.shape[1]!, codes.shape[0]!]
        : [codes.shape[0]!, (codes.shape[1] as number) * groupSize];
    if (width !== x.shape.at(-1) || scales.shape[0] !== out) shapeError('quantized_linear', scheme, inputs);
    return [{ shape: [...x.shape.slice(0, -1), out], dtype: 'f32' }];
  },
};

export function quantizedLinear(
  x: Value,
  codes: Value,
  scales: Value,
  bias: Value | undefined,
  attrs: QuantizedLinearAttrs,
): Value {
  return apply(quantizedLinearOp, bias ? [x, codes, scales, bias] : [x, codes, scales], attrs);
}
