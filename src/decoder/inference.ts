import {
  Graph,
  cachedAttention,
  cachedPositions,
  concat,
  constant,
  gather,
  input,
  reshape,
  rmsNorm,
} from '../graph/index.ts';
import type { Value } from '../graph/index.ts';
import { rotaryTables } from '../model/rope.ts';
import type { DecoderSpec } from '../model/spec.ts';
import { hiddenStates } from './forward.ts';
import { rotation } from './rotation.ts';
import { InferenceWeights } from './inference-weights.ts';
import type { InferenceWeightsOptions } from './inference-weights.ts';
import type { Attend } from './weights.ts';

export const pastKey = (layer: number): string => `past_key_values.${layer}.key`;
export const pastValue = (layer: number): string => `past_key_values.${layer}.value`;
export const presentKey = (layer: number): string => `present.${layer}.key`;
export const presentValue = (layer: number): string => `present.${layer}.value`;

/**
 * The decoder for inference, with a key/value cache: prefill and decode are the same graph at different lengths.
 *
 * Inputs: `input_ids` i64 [batch, sequence]; `seqlens_k` i32 [batch], tokens in the cache after this call less one;
 * `total_sequence_length` i32 [], the largest such total; `logit_positions` i64 [rows], the positions within the sequence
 * whose logits are wanted; `past_key_values.N.key|value` f32 [batch, kv_heads, capacity, head_dim].
 * Outputs: `logits` f32 [batch, rows, vocab]; `present.N.key|value`, the cache, updated in place when bound to the same memory.
 */
export function buildInferenceGraph(spec: DecoderSpec, options: InferenceWeightsOptions): Graph {
  const graph = new Graph();
  const ids = input(graph, 'input_ids', ['batch', 'sequence'], 'i64');
  const lengths = input(graph, 'seqlens_k', ['batch'], 'i32');
  const total = input(graph, 'total_sequence_length', [], 'i32');
  const rows = input(graph, 'logit_positions', ['rows'], 'i64');
  const weights = new InferenceWeights(graph, spec, options);
  const hidden = hiddenStates(weights, ids, cached(weights, ids, lengths, total));
  graph.output('logits', weights.head(gather(hidden, rows, 1)));
  return graph;
}

function cached(weights: InferenceWeights, ids: Value, lengths: Value, total: Value): Attend {
  const { graph, spec } = weights;
  const { heads, kvHeads, headDim, scale } = spec.attention;
  // The kernel turns heads of a multiple of 16 dimensions; others are turned before they reach it.
  const tables = headDim % 16 === 0 ? rotaryCaches(graph, spec) : [];
  const turn = tables.length > 0 ? undefined : rotation(spec, cachedPositions(ids, lengths), spec.maxPositions);
  const cache: (string | number)[] = ['batch', kvHeads, 'capacity', headDim];

  return (q, k, v, layer) => {
    const { qNorm, kNorm } = spec.names.layer(layer);
    const prepared = (x: Value, n: number, module: string | undefined): Value => {
      if (module === undefined && turn === undefined) return x;
      const byHead = reshape(x, [...x.shape.slice(0, 2), n, headDim]);
      const normed = module === undefined ? byHead : rmsNorm(byHead, weights.norm(module).weight, spec.norm.eps);
      return reshape(turn ? turn(normed) : normed, x.shape);
    };
    const qkv = joinSlices([prepared(q, heads, qNorm), prepared(k, kvHeads, kNorm), v]);
    const past = [input(graph, pastKey(layer), cache, 'f32'), input(graph, pastValue(layer), cache, 'f32')];
    const [out, key, value] = cachedAttention([qkv, ...past, lengths, total, ...tables], {
      heads,
      kvHeads,
      headDim,
      scale,
      rotary: tables.length > 0,
    });
    graph.output(presentKey(layer), key!);
    graph.output(presentValue(layer), value!);
    return out!;
  };
}

/** Cosines and sines [positions, dim / 2] for the kernel; none for families with learned positions. */
function rotaryCaches(graph: Graph, { position, maxPositions }: DecoderSpec): Value[] {
  if (position.kind !== 'rotary') return [];
  const { cos, sin } = rotaryTables(position, maxPositions);
  return [cos, sin].map((data) => constant(graph, data, [maxPositions, data.length / maxPositions]));
}

/** Slices that together are the whole of one value are that value: the fused projection goes on unsplit. */
function joinSlices(parts: Value[]): Value {
  const axis = parts[0]!.shape.length - 1;
  const source = parts[0]!.node.inputs[0];
  let next = 0;
  const whole = parts.every(({ node, shape }) => {
    const { start } = node.attrs as { start?: number };
    const follows = node.def.name === 'slice' && node.inputs[0] === source && start === next;
    next += shape[axis] as number;
    return follows;
  });
  return whole && source && source.shape[axis] === next ? source : concat(parts, axis);
}
