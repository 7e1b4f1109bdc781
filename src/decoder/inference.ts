import {
  Graph,
  cachedAttention,
  cachedPositions,
  concat,
  gather,
  input,
  pad,
  reshape,
  rmsNorm,
  slice,
} from '../graph/index.ts';
import type { Value } from '../graph/index.ts';
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
/** Inputs of families with rotary positions: cosines and sines, f32 [positions, dim / 2] (`rotaryTables`). */
export const ROTARY_TABLES = { cos: 'rotary_cos', sin: 'rotary_sin' } as const;

/**
 * The decoder for inference, with a key/value cache: prefill and decode are the same graph at different lengths.
 *
 * Inputs: `input_ids` i64 [batch, sequence]; `seqlens_k` i32 [batch], tokens in the cache after this call less one;
 * `total_sequence_length` i32 [], the largest such total; `logit_positions` i64 [rows], the positions within the sequence
 * whose logits are wanted; `rotary_cos` and `rotary_sin` f32 [positions, dim / 2], of as many positions as there are tokens or
 * more (the whole of a long context would be most of a small model); `past_key_values.N.key|value` f32
 * [batch, kv_heads, capacity, head_dim], the head's size rounded up to a multiple of 8.
 * Outputs: `logits` f32 [batch, rows, vocab]; `present.N.key|value`, the cache, updated in place when bound to the same memory.
 */
export function buildInferenceGraph(spec: DecoderSpec, options: InferenceWeightsOptions): Graph {
  const graph = new Graph();
  const ids = input(graph, 'input_ids', ['batch', 'sequence'], 'i64');
  const lengths = input(graph, 'seqlens_k', ['batch'], 'i32');
  const total = input(graph, 'total_sequence_length', [], 'i32');
  const rows = input(graph, 'logit_positions', ['rows'], 'i64');
  const weights = new InferenceWeights(graph, spec, options);
  const positions = cachedPositions(ids, lengths);
  const hidden = hiddenStates(weights, ids, positions, cached(weights, positions, lengths, total));
  graph.output('logits', weights.head(gather(hidden, rows, 1)));
  return graph;
}

function cached(weights: InferenceWeights, positions: Value, lengths: Value, total: Value): Attend {
  const { graph, spec } = weights;
  const { heads, kvHeads, headDim, scale } = spec.attention;
  const tables = rotaryInputs(graph, spec);
  const inKernel = turnsInKernel(spec);
  const turns = inKernel || spec.position.kind === 'learned' ? [] : [rotation(spec, positions, tables)];
  // The kernel takes heads of a multiple of 8 dimensions; zeros at the end change neither scores nor sums.
  const width = Math.ceil(headDim / 8) * 8;
  const cache: (string | number)[] = ['batch', kvHeads, 'capacity', width];

  return (q, k, v, layer) => {
    const { qNorm, kNorm } = spec.names.layer(layer);
    const norms = (module: string | undefined): ((x: Value) => Value)[] =>
      module === undefined ? [] : [(x) => rmsNorm(x, weights.norm(module).weight, spec.norm.eps)];
    const prepared = (x: Value, n: number, changes: ((byHead: Value) => Value)[]): Value => {
      if (changes.length === 0 && width === headDim) return x;
      const byHead = reshape(x, [...x.shape.slice(0, 2), n, headDim]);
      const changed = changes.reduce((value, change) => change(value), byHead);
      return reshape(pad(changed, 3, 0, width - headDim), [...x.shape.slice(0, 2), n * width]);
    };
    const qkv = joinSlices([
      prepared(q, heads, [...norms(qNorm), ...turns]),
      prepared(k, kvHeads, [...norms(kNorm), ...turns]),
      prepared(v, kvHeads, []),
    ]);
    const past = [input(graph, pastKey(layer), cache, 'f32'), input(graph, pastValue(layer), cache, 'f32')];
    const [out, key, value] = cachedAttention([qkv, ...past, lengths, total, ...(inKernel ? tables : [])], {
      heads,
      kvHeads,
      headDim: width,
      scale,
      rotary: inKernel,
    });
    graph.output(presentKey(layer), key!);
    graph.output(presentValue(layer), value!);
    if (width === headDim) return out!;
    const byHead = reshape(out!, [...q.shape.slice(0, 2), heads, width]);
    return reshape(slice(byHead, 3, 0, headDim), q.shape);
  };
}

/** The kernel turns heads by multiples of 16 dimensions; others are turned before they reach it. */
function turnsInKernel({ position, attention }: DecoderSpec): boolean {
  return position.kind === 'rotary' && attention.headDim % 16 === 0 && position.dim % 16 === 0;
}

function rotaryInputs(graph: Graph, { position }: DecoderSpec): Value[] {
  if (position.kind !== 'rotary') return [];
  return Object.values(ROTARY_TABLES).map((name) => input(graph, name, ['positions', position.dim / 2], 'f32'));
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
