import { LlmkitError } from '../../core/errors.ts';
import type { TfDType } from '../../graph/tf-graph.ts';

/** TensorFlow's DataType enum (tensorflow/core/framework/types.proto), the members llmkit uses. */
export const TF_TYPE: Record<TfDType | 'i64', number> = { f32: 1, i32: 3, u8: 4, i64: 9, bool: 10, bf16: 14 };

/** The same types by their names in protobuf's JSON form, which GraphModel reads. */
export const TF_TYPE_NAME: Record<TfDType | 'i64', string> = {
  f32: 'DT_FLOAT',
  i32: 'DT_INT32',
  u8: 'DT_UINT8',
  i64: 'DT_INT64',
  bool: 'DT_BOOL',
  bf16: 'DT_BFLOAT16',
};

/** The dtype of a TensorFlow enum value. Throws a bug for a type that may not leave a graph. */
export function dtypeOf(tfType: number, where: string): TfDType {
  for (const [dtype, value] of Object.entries(TF_TYPE)) {
    if (value === tfType && dtype !== 'i64') return dtype as TfDType;
  }
  throw new LlmkitError('bug', 'a graph output has a type that cannot leave the graph', {
    where,
    got: `TensorFlow type ${tfType}`,
    expected: 'f32, i32, u8, bool or bf16',
    hint: 'Cast it inside the graph',
  });
}

/** Number of elements of a shape; a scalar has one. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/** Throws a bug unless `data` is the typed array of `dtype` and fills `shape`. */
export function checkTensorData(
  data: ArrayBufferView & { length: number },
  shape: readonly number[],
  dtype: TfDType,
): void {
  const wanted = { f32: 'Float32Array', i32: 'Int32Array', u8: 'Uint8Array', bool: 'Uint8Array', bf16: 'Uint16Array' };
  const got = data.constructor.name === 'Buffer' ? 'Uint8Array' : data.constructor.name;
  if (got !== wanted[dtype]) {
    throw new LlmkitError('bug', `a ${dtype} tensor is made from the wrong kind of array`, {
      expected: wanted[dtype],
      got,
    });
  }
  if (!shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0) || sizeOf(shape) !== data.length) {
    throw new LlmkitError('bug', 'tensor data does not fill its shape', {
      expected: `${sizeOf(shape)} elements for [${shape.join(', ')}]`,
      got: `${data.length} elements`,
    });
  }
  if (dtype === 'bf16' && (shape.length === 0 || (shape.at(-1) ?? 0) % 2 !== 0)) {
    throw new LlmkitError('bug', 'a bf16 tensor needs an even last dimension: it is held as pairs', {
      got: `[${shape.join(', ')}]`,
    });
  }
}

/** Shape of the int32 pairs that hold a bf16 tensor. */
export function pairedShape(shape: readonly number[]): number[] {
  return [...shape.slice(0, -1), (shape.at(-1) ?? 0) / 2];
}
