import type { Graph, Value } from '../graph/index.ts';
import type { DecoderSpec, LinearRole } from '../model/spec.ts';

/**
 * How weights enter a decoder graph. Training reads them as parameters with LoRA beside them, inference as initializers,
 * fused or quantized; the decoder itself does not care.
 */
export interface DecoderWeights {
  readonly graph: Graph;
  readonly spec: DecoderSpec;
  /** Rows of the embedding at ids (integers of any shape): f32 [..., hidden]. */
  embed(ids: Value): Value;
  /** Rows of the learned positions, in families that have them: f32 [..., hidden]. */
  embedPositions(positions: Value): Value;
  /** A norm's weight (and bias, for layer norms) by its module path. */
  norm(module: string): { weight: Value; bias: Value | undefined };
  /** x [..., in] through the linear layers `roles` of one block, which read the same input: one result a role. */
  linear(x: Value, layer: number, roles: readonly LinearRole[]): Value[];
}

/** Attention of one block: q, k, v as the projections leave them ([..., heads D]) to o before its projection. */
export type Attend = (q: Value, k: Value, v: Value, layer: number) => Value;

export const scopeOf = (layer: number): string => `layers.${layer}`;
