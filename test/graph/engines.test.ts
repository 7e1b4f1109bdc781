import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { f32ToBf16 } from '../../src/core/half.ts';
import { chooseEngine } from '../../src/engine/tf/index.ts';
import type { TfEngine } from '../../src/engine/tf/index.ts';
import { Graph, linear, lowerToTensorFlow, parameter, randomUniform } from '../../src/graph/index.ts';
import { constant } from '../../src/graph/index.ts';
import { engines } from '../support/engines.ts';
import { evaluate } from '../support/evaluate.ts';
import { randomData } from '../support/gradients.ts';
import { opZoo } from '../support/op-zoo.ts';

describe.each(engines)('graphs on the %s engine', (kind) => {
  let engine: TfEngine;
  beforeAll(async () => {
    engine = await chooseEngine({ engine: kind });
  });
  afterAll(() => engine.dispose());

  function run(graph: Graph, feeds: Record<string, Float32Array>, shapes: Record<string, number[]>): ArrayLike<number> {
    const program = engine.load(lowerToTensorFlow(graph, kind));
    const tensors = Object.fromEntries(
      Object.entries(feeds).map(([name, data]) => [name, engine.tensor(data.slice(), shapes[name]!, 'f32')]),
    );
    const result = program.run(tensors)['y']!;
    const values = Array.from(engine.read(result));
    for (const tensor of [...Object.values(tensors), result]) tensor.dispose();
    program.dispose();
    return values;
  }

  it.each(opZoo)('$name is what the reference computes', ({ shapes, build, positive }) => {
    const graph = new Graph();
    graph.output('y', build(...shapes.map((shape, i) => parameter(graph, `x${i}`, shape))));
    const data = shapes.map((shape, i) => randomData(shape, i + 1).map((x) => (positive ? Math.abs(x) + 0.5 : x)));
    const feeds = Object.fromEntries(data.map((values, i) => [`x${i}`, values]));
    const actual = run(graph, feeds, Object.fromEntries(shapes.map((shape, i) => [`x${i}`, shape])));
    const expected = evaluate(graph, feeds)['y']!.data;
    expect(actual.length).toBe(expected.length);
    expected.forEach((value, i) => expect(actual[i]).toBeCloseTo(value, 4));
  });

  it('draws the same uniform numbers for the same seed, and others for another', () => {
    const draw = (seed: number): number[] => {
      const graph = new Graph();
      graph.output('y', randomUniform(constant(graph, Int32Array.of(7, seed), [2]), [50, 40]));
      return Array.from(run(graph, {}, {}));
    };
    const values = draw(1);
    expect(draw(1)).toEqual(values);
    expect(draw(2)).not.toEqual(values);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThanOrEqual(1);
    // The mean of 2,000 draws lies within four standard errors (0.2887 / sqrt(2000)) of one half.
    expect(Math.abs(values.reduce((a, b) => a + b, 0) / values.length - 0.5)).toBeLessThan(0.026);
  });

  it.runIf(kind === 'native')('multiplies with a bf16 weight fed as pairs, to within bf16 rounding', () => {
    const [x, w] = [randomData([3, 8], 1), randomData([5, 8], 2)];
    const graph = new Graph();
    graph.output('y', linear(parameter(graph, 'x', [3, 8]), parameter(graph, 'w', [5, 8], 'bf16')));
    const program = engine.load(lowerToTensorFlow(graph, kind));
    const feeds = { x: engine.tensor(x.slice(), [3, 8], 'f32'), w: engine.tensor(f32ToBf16(w), [5, 8], 'bf16') };
    const y = program.run(feeds)['y']!;
    engine.read(y).forEach((value, i) => {
      const [row, column] = [Math.floor(i / 5), i % 5];
      let [total, magnitude] = [0, 0];
      for (let k = 0; k < 8; k++) {
        total += x[row * 8 + k]! * w[column * 8 + k]!;
        magnitude += Math.abs(x[row * 8 + k]! * w[column * 8 + k]!);
      }
      // Two roundings to 8 bits of significand, each at most 2^-9.
      expect(Math.abs(value - total) / magnitude).toBeLessThan(2 ** -8 + 1e-6);
    });
    for (const tensor of [...Object.values(feeds), y]) tensor.dispose();
    program.dispose();
  });
});
