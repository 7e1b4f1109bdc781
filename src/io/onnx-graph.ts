/** An ONNX graph as plain data: what `lowerToOnnx` makes, `io/onnx` writes and `engine/ort` runs. */
export interface OnnxGraph {
  name?: string;
  /** In topological order. */
  nodes: OnnxNode[];
  inputs: OnnxPort[];
  outputs: OnnxPort[];
  initializers: OnnxInitializer[];
}

export type OnnxDType = 'f32' | 'f16' | 'bf16' | 'i64' | 'i32' | 'u8' | 'i8' | 'bool';

export interface OnnxPort {
  name: string;
  dtype: OnnxDType;
  /** A number, or the name of a dimension known only at run time. */
  dims: (number | string)[];
}

export interface OnnxNode {
  name: string;
  op: string;
  /** `com.microsoft` for ONNX Runtime's own ops; ONNX's when absent. */
  domain?: string;
  /** Value names; empty for an optional input that is left out. */
  inputs: string[];
  outputs: string[];
  attrs: Record<string, OnnxAttr>;
}

export type OnnxAttr =
  | { i: number }
  | { f: number }
  | { s: string }
  | { ints: number[] }
  | { floats: number[] }
  | { strings: string[] }
  | { tensor: { dtype: OnnxDType; dims: number[]; data: OnnxData } };

/** f16 and bf16 as their bits. */
export type OnnxData = Float32Array | BigInt64Array | Int32Array | Uint8Array | Int8Array | Uint16Array;

/** A constant of the graph: its data (or a function making it when its turn comes), or where it lies in a file. */
export type OnnxInitializer = { name: string; dtype: OnnxDType; dims: number[] } & (
  | { data: OnnxData | (() => OnnxData) }
  | { external: OnnxExternal }
);

export interface OnnxExternal {
  /** Path relative to the model file. */
  location: string;
  /** Bytes. */
  offset: number;
  length: number;
}
