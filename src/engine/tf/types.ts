import type { TfDType, TfGraph } from '../../graph/tf-graph.ts';

export type { TfDType, TfGraph } from '../../graph/tf-graph.ts';

/** What a tensor may be made from. `Uint16Array` holds the bits of bf16 values. */
export type TfData = Float32Array | Int32Array | Uint8Array | Uint16Array;

/** What `read` returns: f32, i32, and bytes for u8 and bool. */
export type TfReadData = Float32Array | Int32Array | Uint8Array;

/** Which runner a caller asks for. */
export type EngineChoice = 'auto' | 'native' | 'wasm';

/**
 * A runner of TensorFlow graphs. Everything is synchronous and blocks its thread: use it from a worker.
 * Tensors are freed by `dispose` only; nothing is collected by itself.
 */
export interface TfEngine {
  readonly kind: 'native' | 'wasm';
  /** For a person: what runs, in which mode, e.g. `TensorFlow 2.21.0 (native, cpu)`. */
  readonly description: string;
  /** Why this engine and, when it is not the native one, why not that. */
  readonly reason: string;
  /** Whether the device that runs the products multiplies bf16 itself: CPUs by their flags, GPUs always (Ampere or newer). */
  readonly multipliesBf16: boolean;
  /** Whether products of f32 tensors run in bf16; see `nativeEnvironment`. */
  readonly bf16Products: boolean;
  /** Prepares a graph. Throws a `bug` naming the node when the engine cannot take it. */
  load(graph: TfGraph): TfProgram;
  /**
   * Makes a tensor of `shape` from `data` (row-major). **The data is given away**: the native engine aliases memory
   * whose address is a multiple of 64 (`alignedBuffer` of io) and copies the rest, so do not write to it afterwards.
   * bf16: `data` holds bits, the last dimension is even, and the tensor is held as int32 pairs. Native only.
   */
  tensor(data: TfData, shape: readonly number[], dtype: TfDType): TfTensor;
  /** Copies a tensor out. f32, i32, u8 and bool only; cast bf16 inside the graph. */
  read(tensor: TfTensor): TfReadData;
  /** Live tensors, including those that programs hold, for leak tests. */
  numTensors(): number;
  /** Frees the programs that are still loaded. Tensors are the caller's. */
  dispose(): void;
}

/** A graph ready to run. */
export interface TfProgram {
  readonly inputs: string[];
  readonly outputs: string[];
  /**
   * Runs the graph once. `feeds` has exactly one tensor for each input, of its dtype and shape; they stay the caller's.
   * Returns a new tensor for each output, which may be fed again without being read.
   */
  run(feeds: Record<string, TfTensor>): Record<string, TfTensor>;
  dispose(): void;
}

/** A tensor held by an engine. For bf16, `shape` is the logical one (elements, not pairs). */
export interface TfTensor {
  readonly shape: readonly number[];
  readonly dtype: TfDType;
  dispose(): void;
}
