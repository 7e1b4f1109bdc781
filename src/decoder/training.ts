import { LlmkitError } from '../core/errors.ts';
import {
  Graph,
  add,
  differentiable,
  differentiate,
  gather,
  input,
  linear,
  parameter,
  recompute,
  reshape,
  tokenLoss,
} from '../graph/index.ts';
import type { Value } from '../graph/index.ts';
import type { DecoderSpec } from '../model/spec.ts';
import { hiddenStates } from './forward.ts';
import { packedAttention, packedPositions } from './packed-attention.ts';
import type { PackedShape } from './packed-attention.ts';
import { TrainingWeights } from './training-weights.ts';
import type { LoraOptions, WeightSlot } from './training-weights.ts';

export interface TrainingGraphOptions {
  spec: DecoderSpec;
  shape: PackedShape;
  /** How many positions carry a target; the batch is padded to it with weight 0. */
  targets: number;
  /** Precision of the large products; see `TrainingWeightsOptions`. */
  matrixDType: 'f32' | 'bf16';
  lora: LoraOptions | undefined;
  /** Which weights of the checkpoint are trained; see `TrainingWeightsOptions`. */
  trains?: ((name: string) => boolean) | undefined;
  /** loss: forward only. gradients: forward and backward. logits: of every position, for oracles and checks. */
  produce: 'loss' | 'gradients' | 'logits';
  /** Add this batch's gradients to those fed as `accumulated/<name>`. */
  accumulate?: boolean;
  /** layer: keep each block's input only and compute the rest again in the backward pass. */
  memory?: 'none' | 'layer';
  /** Rows of logits that exist at a time. */
  lossChunk?: number;
  /** What training does beside minimizing cross entropy: gradients only. */
  objective?: Objective | undefined;
}

/** A loss without gradients is always plain cross entropy, so that its exponential is the perplexity. */
export interface Objective {
  /** See `TokenLossAttrs`. */
  labelSmoothing: number;
  zLoss: number;
  /** Size of the noise on embeddings (Jain et al., NEFTune, 2023); 0: none. The graph is fed its bound. */
  neftuneAlpha: number;
}

export interface DecoderGraph {
  graph: Graph;
  weights: Omit<WeightSlot, 'value'>[];
}

export const GRADIENT = 'gradient/';
export const ACCUMULATED = 'accumulated/';

/**
 * The training step without its optimizer, as one graph.
 *
 * Inputs: `input_ids` i32 [batch * length], `document_starts` i32 [batch, length], `target_positions` i32 [targets] (into
 * the flattened tokens), `target_ids` i32 [targets], `target_weights` f32 [targets], `dropout_seed` i32 [2] where there is
 * dropout or noise, `noise_bound` f32 [] where there is noise, and every weight under its checkpoint name.
 * Outputs: `loss`, the weighted **sum** over targets (dividing by the step's targets is the optimizer's business, which is
 * what makes accumulation equal to a large batch), and `gradient/<name>` of each trained weight; or `logits` f32
 * [batch * length, vocab].
 */
export function buildTrainingGraph(options: TrainingGraphOptions): DecoderGraph {
  const { spec, shape, targets, produce } = options;
  const graph = new Graph();
  const tokens = shape.batch * shape.length;
  const ids = input(graph, 'input_ids', [tokens], 'i32');
  const starts = input(graph, 'document_starts', [shape.batch, shape.length], 'i32');
  const training = produce === 'gradients';
  const objective = training ? options.objective : undefined;
  const noise = (objective?.neftuneAlpha ?? 0) > 0;
  const random = noise || (training && (options.lora?.dropout ?? 0) > 0);
  const weights = new TrainingWeights(graph, spec, {
    matrixDType: options.matrixDType,
    lora: options.lora,
    trains: options.trains,
    dropoutSeed: random ? input(graph, 'dropout_seed', [2], 'i32') : undefined,
    noiseBound: noise ? input(graph, 'noise_bound', [], 'f32') : undefined,
  });
  const places = reshape(packedPositions(starts), [tokens]);
  const hidden = hiddenStates(weights, ids, places, packedAttention(weights, starts, shape));
  if (produce === 'logits') {
    graph.output('logits', linear(hidden, weights.head()));
    return finish(graph, weights);
  }
  const positions = input(graph, 'target_positions', [targets], 'i32');
  const targetIds = input(graph, 'target_ids', [targets], 'i32');
  const targetWeights = input(graph, 'target_weights', [targets], 'f32');
  const chosen = gather(hidden, positions);
  const extras = objective && { smoothing: objective.labelSmoothing, zLoss: objective.zLoss };
  graph.output('loss', tokenLoss(chosen, weights.head(), targetIds, targetWeights, options.lossChunk ?? 512, extras));
  if (!training) return finish(graph, weights);
  return finish(withGradients(graph, weights, options), weights);
}

function withGradients(source: Graph, weights: TrainingWeights, options: TrainingGraphOptions): Graph {
  const trained = [...weights.slots.values()].filter((slot) => slot.trained);
  for (const slot of trained) source.output(slot.name, slot.value);
  const graph = differentiable(source);
  const take = (name: string): Value => {
    const value = graph.outputs.get(name)!;
    if (name !== 'loss') graph.outputs.delete(name);
    return value;
  };
  const values = trained.map((slot) => take(slot.name));
  const grads = differentiate(take('loss'), values);
  trained.forEach(({ name, shape }, i) => {
    const grad = grads[i];
    if (!grad) throw new LlmkitError('bug', 'the loss does not depend on a weight that is trained', { where: name });
    graph.output(GRADIENT + name, options.accumulate ? add(parameter(graph, ACCUMULATED + name, shape), grad) : grad);
  });
  return options.memory === 'layer' ? recompute(graph, (scope) => scope.startsWith('layers.')) : graph;
}

function finish(graph: Graph, weights: TrainingWeights): DecoderGraph {
  const described = [...weights.slots.values()].map(({ name, shape, dtype, trained }) => ({
    name,
    shape,
    dtype,
    trained,
  }));
  return { graph, weights: described };
}
