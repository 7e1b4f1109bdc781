/** A TensorFlow graph as plain data: what `lowerToTensorFlow` makes and `engine/tf` runs. */
export interface TfGraph {
  /** In topological order. Placeholders for every input are among them. */
  nodes: TfNode[];
  inputs: TfPort[];
  outputs: (TfPort & { ref: string })[];
}

/** Element types that cross the engine's boundary. A `bf16` input is fed as int32 pairs and bitcast in the graph. */
export type TfDType = 'f32' | 'i32' | 'u8' | 'bool' | 'bf16';

export interface TfPort {
  name: string;
  dtype: TfDType;
  shape: number[];
}

export interface TfNode {
  name: string;
  /** TensorFlow's op name, e.g. `BatchMatMulV2`. */
  op: string;
  /** `node`, `node:1`, or `^node` for a control edge (last). */
  inputs: string[];
  attrs: Record<string, TfAttr>;
}

export type TfAttr =
  | { type: TfDType | 'i64' }
  | { i: number }
  | { f: number }
  | { b: boolean }
  | { s: string }
  | { shape: number[] }
  | { ints: number[] }
  | {
      tensor: {
        dtype: TfDType | 'i64';
        shape: number[];
        data: Float32Array | Int32Array | Uint8Array | Uint16Array | BigInt64Array;
      };
    };
