import type { DecoderSpec, LinearRole } from '../model/spec.ts';
import { matrixName } from '../model/tensors.ts';

/** A matrix of the inference graph: the head, or layers of one block that read the same input, their rows one after another. */
export type MatrixId = { kind: 'head' } | { kind: 'linear'; layer: number; roles: LinearRole[] };

/** The groups of layers that are fused, in the order of computation. */
export function fusedRoles(spec: DecoderSpec): LinearRole[][] {
  const mlp: LinearRole[][] =
    spec.mlp.kind === 'gated' ? [['gate_proj', 'up_proj'], ['down_proj']] : [['up_proj'], ['down_proj']];
  return [['q_proj', 'k_proj', 'v_proj'], ['o_proj'], ...mlp];
}

/** The name under which a matrix stands in the inference graph, without `.weight`, `.codes`, `.scales` or `.bias`. */
export function matrixOf(spec: DecoderSpec, id: MatrixId): string {
  if (id.kind === 'head') return spec.names.head ?? spec.names.embedding;
  const first = matrixName(spec, id.layer, id.roles[0]!).module;
  if (id.roles.length === 1) return first;
  const parent = first.slice(0, first.lastIndexOf('.'));
  return `${parent}.${id.roles.map((role) => role.replace('_proj', '')).join('_')}_proj`;
}
