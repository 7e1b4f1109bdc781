import type { TfAttr, TfDType, TfGraph, TfNode } from '../../../src/graph/tf-graph.ts';

type Data = Float32Array | Int32Array | Uint8Array | Uint16Array;

export interface OpInput {
  dtype: TfDType;
  shape: number[];
  data: Data;
  /** A constant of the graph instead of a fed placeholder: axes, shapes, permutations. */
  constant?: boolean;
}

/** One op with small inputs, and what TensorFlow must answer (row-major), worked out by hand or from its definition. */
export interface OpCase {
  op: string;
  /** Tells cases of one op apart. */
  label?: string;
  attrs: Record<string, TfAttr>;
  inputs: OpInput[];
  outputs: { dtype: TfDType; shape: number[]; expected: number[] }[];
  tolerance?: number;
  /** How the wasm engine fares: it runs the op, lacks it (an error), or answers wrong (so no graph for it may hold the op). */
  wasm: 'runs' | 'lacks' | 'wrong';
}

export const F32: TfAttr = { type: 'f32' };
export const I32: TfAttr = { type: 'i32' };

export const f32 = (data: number[], shape: number[] = [data.length]): OpInput => ({
  dtype: 'f32',
  shape,
  data: Float32Array.from(data),
});
export const i32 = (data: number[], shape: number[] = [data.length]): OpInput => ({
  dtype: 'i32',
  shape,
  data: Int32Array.from(data),
});
export const bool = (data: number[], shape: number[] = [data.length]): OpInput => ({
  dtype: 'bool',
  shape,
  data: Uint8Array.from(data),
});
export const constI32 = (data: number[], shape: number[] = [data.length]): OpInput => ({
  ...i32(data, shape),
  constant: true,
});
export const constF32 = (data: number[], shape: number[] = [data.length]): OpInput => ({
  ...f32(data, shape),
  constant: true,
});

/** The case as a graph: `in0`, `in1`, ... into the node `op`; outputs `out0`, ... */
export function caseGraph(opCase: OpCase): TfGraph {
  const nodes: TfNode[] = opCase.inputs.map((input, index) => {
    const attrs: Record<string, TfAttr> = { dtype: { type: input.dtype } };
    if (input.constant === true)
      attrs['value'] = { tensor: { dtype: input.dtype, shape: input.shape, data: input.data } };
    else attrs['shape'] = { shape: input.shape };
    return { name: `in${index}`, op: input.constant === true ? 'Const' : 'Placeholder', inputs: [], attrs };
  });
  nodes.push({ name: 'op', op: opCase.op, inputs: opCase.inputs.map((_, index) => `in${index}`), attrs: opCase.attrs });
  return {
    nodes,
    inputs: opCase.inputs.flatMap(({ dtype, shape, constant }, index) =>
      constant === true ? [] : [{ name: `in${index}`, dtype, shape }],
    ),
    outputs: opCase.outputs.map(({ dtype, shape }, index) => ({
      name: `out${index}`,
      ref: `op:${index}`,
      dtype,
      shape,
    })),
  };
}

export function softmaxRow(row: number[]): number[] {
  const e = row.map((x) => Math.exp(x));
  const sum = e.reduce((total, x) => total + x, 0);
  return e.map((x) => x / sum);
}
