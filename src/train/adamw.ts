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

export interface AdamWOptions {
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
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

/** Weight decay goes onto matrices only, not onto norms and biases, as transformers' Trainer does. */
export const decays = (weight: TrainedWeight): boolean => weight.shape.length >= 2;

/**
 * One AdamW step over all trained weights as a graph (Loshchilov and Hutter, 2019; the order of operations is torch's).
 *
 * Inputs: `learning_rate`, `gradient_scale` (1 / targets of the step), `correction1` = 1 - beta1^t and `correction2` =
 * 1 - beta2^t, all f32 []; for each weight its value under its name, `gradient/<name>`, `adam_m/<name>`, `adam_v/<name>`.
 * Outputs: the new value and moments under the same names, and `gradient_norm` f32 [], before clipping.
 */
export function buildAdamW(weights: readonly TrainedWeight[], options: AdamWOptions): Graph {
  const { beta1, beta2, epsilon, weightDecay, maxGradNorm } = options;
  const graph = new Graph();
  const number = (name: string): Value => input(graph, name, [], 'f32');
  const rate = number('learning_rate');
  const gradientScale = number('gradient_scale');
  const stepSize = div(rate, number('correction1'));
  const rootCorrection = sqrt(number('correction2'));

  const sums = weights.map(({ name, shape }) => parameter(graph, GRADIENT + name, [...shape]));
  const squares = sums.map((gradient) => sumAll(square(gradient)));
  const norm = mul(sqrt(squares.reduce(add)), gradientScale);
  graph.output('gradient_norm', norm);
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
    const decayed = weightDecay > 0 && decays(weight) ? mul(value, keep) : value;
    const update = div(m, addScalar(div(sqrt(v), rootCorrection), epsilon));
    graph.output(name, sub(decayed, mul(update, stepSize)));
    graph.output(FIRST_MOMENT + name, m);
    graph.output(SECOND_MOMENT + name, v);
  });
  return graph;
}
