import {
  Graph,
  add,
  addScalar,
  div,
  input,
  minimum,
  mul,
  parameter,
  scalar,
  scale,
  sqrt,
  square,
  sub,
  sumAll,
} from '../graph/index.ts';
import type { Value } from '../graph/index.ts';
import type { DecoderSpec } from '../model/spec.ts';

export interface AdamWOptions {
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
  /** Weights that weight decay leaves alone beside norms and biases, by name. */
  noDecay?: readonly string[];
  /** Gradients are scaled down to this global norm; 0 turns it off. */
  maxGradNorm: number;
}

export interface TrainedWeight {
  name: string;
  shape: readonly number[];
}

export const FIRST_MOMENT = 'adam_m/';
export const SECOND_MOMENT = 'adam_v/';
const GRADIENT = 'gradient/';

/** Norms and biases by the names that checkpoints give them: `ln_1`, `ln_f`, `input_layernorm`, `q_norm`, `norm`, `bias`. */
const NOT_DECAYED = /bias|layernorm|layer_norm|rmsnorm|(?:^|\.)norm(?:\.|$)|_norm(?:\.|$)|(?:^|\.)ln_\w+(?:\.|$)/i;

/**
 * Weight decay goes onto everything but norms and biases, as transformers' Trainer does: LoRA factors, embeddings and
 * DoRA's magnitudes decay.
 */
export const decays = ({ name }: Pick<TrainedWeight, 'name'>): boolean => !NOT_DECAYED.test(name);

/** The tables of tokens and positions, by name. */
export function embeddingWeights({ names }: DecoderSpec): string[] {
  return [names.embedding, names.positionEmbedding].flatMap((name) => (name === undefined ? [] : [`${name}.weight`]));
}

/** Whether weight decay goes onto a weight under these options. */
export const isDecayed = (
  weight: Pick<TrainedWeight, 'name'>,
  { noDecay = [] }: Pick<AdamWOptions, 'noDecay'>,
): boolean => decays(weight) && !noDecay.includes(weight.name);

/**
 * The global norm of the mean gradient, before clipping.
 *
 * Inputs: `gradient_scale` (1 / targets of the step) f32 [], and `gradient/<name>` of each weight. Output: `gradient_norm`
 * f32 [].
 */
export function buildGradientNorm(weights: readonly TrainedWeight[]): Graph {
  const graph = new Graph();
  const sums = weights.map(({ name, shape }) => parameter(graph, GRADIENT + name, [...shape]));
  graph.output('gradient_norm', normOf(sums, input(graph, 'gradient_scale', [], 'f32')));
  return graph;
}

function normOf(sums: readonly Value[], gradientScale: Value): Value {
  return mul(sqrt(sums.map((gradient) => sumAll(square(gradient))).reduce(add)), gradientScale);
}

/**
 * One AdamW step over trained weights as a graph (Loshchilov and Hutter, 2019; the order of operations is torch's).
 *
 * Inputs: `learning_rate`, `gradient_scale` (1 / targets of the step), `correction1` = 1 - beta1^t and `correction2` =
 * 1 - beta2^t, all f32 []; for each weight its value under its name, `gradient/<name>`, `adam_m/<name>`, `adam_v/<name>`.
 * Outputs: the new value and moments under the same names.
 *
 * @param normIs own: that of these weights, which comes out as `gradient_norm` f32 []; given: an input of that name, since
 *   there are other weights
 */
export function buildAdamW(
  weights: readonly TrainedWeight[],
  options: AdamWOptions,
  normIs: 'own' | 'given' = 'own',
): Graph {
  const { beta1, beta2, epsilon, weightDecay, maxGradNorm } = options;
  const graph = new Graph();
  const number = (name: string): Value => input(graph, name, [], 'f32');
  const rate = number('learning_rate');
  const gradientScale = number('gradient_scale');
  const stepSize = div(rate, number('correction1'));
  const rootCorrection = sqrt(number('correction2'));

  const sums = weights.map(({ name, shape }) => parameter(graph, GRADIENT + name, [...shape]));
  const norm = normIs === 'given' ? number('gradient_norm') : normOf(sums, gradientScale);
  if (normIs === 'own') graph.output('gradient_norm', norm);
  const clip =
    maxGradNorm === 0
      ? scalar(graph, 1)
      : minimum(div(scalar(graph, maxGradNorm), addScalar(norm, 1e-6)), scalar(graph, 1));
  const factor = mul(gradientScale, clip);
  const keep = addScalar(scale(rate, -weightDecay), 1);

  weights.forEach((weight, i) => {
    const { name } = weight;
    const shape = [...weight.shape];
    const gradient = mul(sums[i]!, factor);
    const m = add(scale(parameter(graph, FIRST_MOMENT + name, shape), beta1), scale(gradient, 1 - beta1));
    const v = add(scale(parameter(graph, SECOND_MOMENT + name, shape), beta2), scale(square(gradient), 1 - beta2));
    const value = parameter(graph, name, shape);
    const decayed = weightDecay > 0 && isDecayed(weight, options) ? mul(value, keep) : value;
    const update = div(m, addScalar(div(sqrt(v), rootCorrection), epsilon));
    graph.output(name, sub(decayed, mul(update, stepSize)));
    graph.output(FIRST_MOMENT + name, m);
    graph.output(SECOND_MOMENT + name, v);
  });
  return graph;
}
