import { apply, shapeError, staticShape } from '../types.ts';
import type { DType, OpDef, Value } from '../types.ts';
import { add, cast } from '../ops/elementwise.ts';
import { matmul } from '../ops/matmul.ts';
import { reshape } from '../ops/layout.ts';
import { sum } from '../ops/reduce.ts';

/**
 * y = x W^T + b, as checkpoints store it: x f32 [..., in], W f32 or bf16 [out, in], b f32 [out].
 * With W in bf16 the product is taken in bf16 and accumulated in f32; W is then frozen and gets no gradient.
 */
export const linearOp: OpDef<Record<never, never>> = {
  name: 'linear',
  infer(inputs) {
    const [x, weight, bias] = inputs as [Value, Value, Value?];
    const fits = weight.shape.length === 2 && weight.shape[1] === x.shape.at(-1) && x.dtype === 'f32';
    if (!fits || (bias && bias.shape[0] !== weight.shape[0])) shapeError('linear', 'x [..., in], W [out, in]', inputs);
    return [{ shape: [...x.shape.slice(0, -1), weight.shape[0]!], dtype: 'f32' }];
  },
  gradient({ inputs }, [dy]) {
    const [x, weight, bias] = inputs as [Value, Value, Value?];
    const dx = product(dy!, weight, false);
    const dw = matmul(rows(dy!), rows(x), { transposeA: true });
    const frozen = weight.dtype !== 'f32';
    return [dx, frozen ? undefined : dw, ...(bias ? [sum(rows(dy!), [0])] : [])];
  },
  expand({ inputs }) {
    const [x, weight, bias] = inputs as [Value, Value, Value?];
    const y = product(x, weight, true);
    return [bias ? add(y, bias) : y];
  },
};

/** x [..., k] times a frozen matrix, in the matrix's own precision. */
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

export function linear(x: Value, weight: Value, bias?: Value): Value {
  return apply(linearOp, bias ? [x, weight, bias] : [x, weight], {});
}

export interface QuantizedLinearAttrs {
  scheme: 'w8a8' | 'w8a16';
  /** Input columns that share a scale (w8a16); 0 for one scale an output channel (w8a8). */
  groupSize: number;
}

/**
 * y = x dequantize(Q)^T + b for inference: Q i8 [out, in], scales f32 [out, in/groupSize] (w8a16) or [out, 1] (w8a8, where
 * each row of x is quantized to unsigned 8 bits around 128 as it comes). Lowered to ONNX only.
 */
export const quantizedLinearOp: OpDef<QuantizedLinearAttrs> = {
  name: 'quantized_linear',
  infer(inputs) {
    const [x, codes] = inputs as [Value, Value];
    const dtypes: DType[] = ['i8', 'u8'];
    const fits = codes.shape[1] === x.shape.at(-1) && dtypes.includes(codes.dtype);
    if (!fits) shapeError('quantized_linear', 'x [..., in], codes [out, in]', inputs);
    return [{ shape: [...x.shape.slice(0, -1), codes.shape[0]!], dtype: 'f32' }];
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

/** Rows of an int8 table [vocab, hidden] times their scales f32 [vocab, 1]: a quantized embedding. Lowered to ONNX only. */
export const quantizedGatherOp: OpDef<Record<never, never>> = {
  name: 'quantized_gather',
  infer(inputs) {
    const [table, , ids] = inputs as [Value, Value, Value];
    return [{ shape: [...ids.shape, ...table.shape.slice(1)], dtype: 'f32' }];
  },
};
export const quantizedGather = (table: Value, scales: Value, ids: Value): Value =>
  apply(quantizedGatherOp, [table, scales, ids], {});
