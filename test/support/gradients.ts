import { expect } from 'vitest';
import { Random } from '../../src/core/random.ts';
import {
  Graph,
  constant,
  differentiable,
  differentiate,
  mul,
  parameter,
  rewrite,
  staticShape,
  sumAll,
} from '../../src/graph/index.ts';
import type { Value } from '../../src/graph/index.ts';
import { evaluate } from './evaluate.ts';

export function randomData(shape: readonly number[], seed: number, spread = 1): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal() * spread);
}

/**
 * Checks an op's gradient against central differences in float64. The loss is a fixed random weighting of the result,
 * so that a gradient that is right only in sum does not pass. Every element of every input is perturbed.
 */
export function checkGradient(
  shapes: number[][],
  build: (...inputs: Value[]) => Value,
  options: { data?: Float32Array[]; tolerance?: number } = {},
): void {
  let graph = new Graph();
  const inputs = shapes.map((shape, i) => parameter(graph, `x${i}`, shape));
  const y = build(...inputs);
  const weights = constant(graph, randomData(staticShape(y), 99), staticShape(y));
  graph.output('loss', sumAll(mul(y, weights)));
  inputs.forEach((value, i) => graph.output(`x${i}`, value));
  graph = differentiable(graph);
  const wrt = shapes.map((_, i) => graph.outputs.get(`x${i}`)!);
  const grads = differentiate(graph.outputs.get('loss')!, wrt);
  grads.forEach((grad, i) => graph.output(`grad${i}`, grad!));

  const data = shapes.map((shape, i) => Float64Array.from(options.data?.[i] ?? randomData(shape, i + 1)));
  const feeds = () => Object.fromEntries(data.map((values, i) => [`x${i}`, values]));
  const analytic = evaluate(graph, feeds());
  const lossOnly = new Graph();
  lossOnly.outputs.set('loss', graph.outputs.get('loss')!);
  const forward = rewrite(lossOnly);
  const step = 1e-5;
  data.forEach((values, i) => {
    const grad = analytic[`grad${i}`]!.data;
    values.forEach((value, j) => {
      values[j] = value + step;
      const above = evaluate(forward, feeds())['loss']!.data[0]!;
      values[j] = value - step;
      const below = evaluate(forward, feeds())['loss']!.data[0]!;
      values[j] = value;
      const numeric = (above - below) / (2 * step);
      const error = Math.abs(grad[j]! - numeric) / Math.max(1, Math.abs(numeric));
      expect(error, `input ${i}, element ${j}: ${grad[j]} against ${numeric}`).toBeLessThan(options.tolerance ?? 1e-6);
    });
  });
}
