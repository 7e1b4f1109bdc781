import { LlmkitError } from '../core/errors.ts';
import type { DType, Value } from './types.ts';
import type { TfDType, TfNode } from './tf-graph.ts';

/** native: a TensorFlow session. wasm: tfjs's GraphModel, with no bf16, no control edges and slow transposed products. */
export type TfTarget = 'native' | 'wasm';

/** Where emitters put their nodes and find their inputs. */
export interface TfEmission {
  readonly target: TfTarget;
  /** Adds a node and returns the reference to its first output. */
  add(op: string, inputs: string[], attrs?: TfNode['attrs']): string;
  /** A placeholder under a name of its own. */
  feed(name: string, attrs: TfNode['attrs']): string;
  /** A small constant. */
  ints(values: number[], shape?: number[]): string;
  ref(value: Value): string;
}

export function tfType(dtype: DType): TfDType {
  if (dtype === 'i64' || dtype === 'i8') throw new LlmkitError('bug', `TensorFlow graphs do not carry ${dtype}`);
  return dtype;
}
