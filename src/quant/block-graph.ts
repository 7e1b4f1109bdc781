import { block } from '../decoder/forward.ts';
import { packedAttention } from '../decoder/packed-attention.ts';
import { TrainingWeights } from '../decoder/training-weights.ts';
import { Graph, add, input, lowerToTensorFlow, matmul, mul, parameter } from '../graph/index.ts';
import type { TfTarget, Value } from '../graph/index.ts';
import type { TfGraph } from '../graph/tf-graph.ts';
import type { DecoderSpec, LinearRole } from '../model/spec.ts';
import { linearModules } from '../model/tensors.ts';

/**
 * Linear layers of a block that read the same input, in the order of computation: one Hessian each. Where several roles are
 * fused in one matrix, the first of them stands for it.
 */
export function inputGroups(spec: DecoderSpec): LinearRole[][] {
  const leading = linearModules({ ...spec, numLayers: 1 }).map(({ roles }) => roles[0]!);
  const groups: LinearRole[][] = [['q_proj', 'k_proj', 'v_proj'], ['o_proj'], ['gate_proj', 'up_proj'], ['down_proj']];
  return groups.map((group) => group.filter((role) => leading.includes(role))).filter((group) => group.length > 0);
}

/** Weights of one block as placeholders under the names of layer 0, remembering what each linear layer reads. */
class CapturingWeights extends TrainingWeights {
  readonly inputs = new Map<LinearRole, Value>();

  override linear(x: Value, layer: number, roles: readonly LinearRole[]): Value[] {
    for (const role of roles) this.inputs.set(role, x);
    return super.linear(x, layer, roles);
  }
}

export interface BlockShape {
  /** Tokens of the row, padding included. */
  length: number;
  /** No document is longer. */
  band: number;
}

/** Queries that go through attention together. */
const ATTENTION_BLOCK = 256;

/**
 * One block over one row, every weight f32, as a TensorFlow graph. The same graph serves all layers: weights are fed under
 * layer 0's names.
 *
 * Inputs: `hidden` f32 [length, hidden], `document_starts` i32 [1, length], the weights.
 * `advance`: output `hidden` f32 [length, hidden], what the next block reads.
 * A role: inputs `mask` f32 [length, 1] (0 on padding) and `accumulated` f32 [K, K] besides; output `hessian`, which is
 * accumulated + x^T x over the unmasked inputs x of that linear layer.
 */
export function buildBlockGraph(
  spec: DecoderSpec,
  shape: BlockShape,
  produce: 'advance' | LinearRole,
  target: TfTarget,
): TfGraph {
  const graph = new Graph();
  const { length, band } = shape;
  const hidden = input(graph, 'hidden', [length, spec.hiddenSize], 'f32');
  const starts = input(graph, 'document_starts', [1, length], 'i32');
  const weights = new CapturingWeights(graph, spec, { matrixDType: 'f32', lora: undefined, dropoutSeed: undefined });
  const attend = packedAttention(weights, starts, { batch: 1, length, band, blockSize: ATTENTION_BLOCK });
  const out = block(weights, hidden, 0, attend);
  if (produce === 'advance') {
    graph.output('hidden', out);
    return lowerToTensorFlow(graph, target);
  }
  const x = weights.inputs.get(produce)!;
  const features = x.shape.at(-1) as number;
  const masked = mul(x, input(graph, 'mask', [length, 1], 'f32'));
  const product = matmul(masked, masked, { transposeA: true });
  graph.output('hessian', add(parameter(graph, 'accumulated', [features, features]), product));
  return lowerToTensorFlow(graph, target);
}
