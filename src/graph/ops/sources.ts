import type { DType, Graph, OpDef, Value, ValueType } from '../types.ts';

export interface InputAttrs {
  name: string;
  type: ValueType;
}

/** Something fed at every run: token ids, optimizer scalars. */
export const inputOp: OpDef<InputAttrs> = {
  name: 'input',
  infer: (_inputs, attrs) => [attrs.type],
};

/** A weight: fed to TensorFlow, an initializer in ONNX. */
export const parameterOp: OpDef<InputAttrs> = {
  name: 'parameter',
  infer: (_inputs, attrs) => [attrs.type],
};

export interface ConstantAttrs {
  data: Float32Array | Int32Array | BigInt64Array | Uint8Array;
  shape: number[];
  dtype: DType;
}

export const constantOp: OpDef<ConstantAttrs> = {
  name: 'constant',
  infer: (_inputs, attrs) => [{ shape: attrs.shape, dtype: attrs.dtype }],
};

export function input(graph: Graph, name: string, shape: ValueType['shape'], dtype: DType): Value {
  return graph.add(inputOp, [], { name, type: { shape, dtype } }).outputs[0]!;
}

export function parameter(graph: Graph, name: string, shape: number[], dtype: DType = 'f32'): Value {
  return graph.add(parameterOp, [], { name, type: { shape, dtype } }).outputs[0]!;
}

export function constant(graph: Graph, data: Float32Array | Int32Array, shape: number[]): Value {
  const dtype = data instanceof Float32Array ? 'f32' : 'i32';
  return graph.add(constantOp, [], { data, shape, dtype }).outputs[0]!;
}

/** A constant of rank 0, f32. */
export function scalar(graph: Graph, value: number): Value {
  return constant(graph, Float32Array.of(value), []);
}
