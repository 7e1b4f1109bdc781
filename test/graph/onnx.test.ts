import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createSession, ortTensor } from '../../src/engine/ort/index.ts';
import { Graph, add, input, layerNorm, lowerToOnnx, parameter, rmsNorm } from '../../src/graph/index.ts';
import type { Value } from '../../src/graph/index.ts';
import type { OnnxGraph } from '../../src/graph/onnx-graph.ts';
import { writeOnnxModel } from '../../src/io/onnx.ts';
import { evaluate } from '../support/evaluate.ts';
import { randomData } from '../support/gradients.ts';
import { opZoo } from '../support/op-zoo.ts';

const folder = mkdtempSync(join(tmpdir(), 'llmkit-graph-onnx-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The ops that inference graphs are made of; training's others have no ONNX form and need none. */
const INFERENCE_OPS =
  /^(add|sub|mul|div|neg|exp|sqrt|sigmoid|tanh|erf|reshape|transpose|concat|slice|pad|gather.*|linear.*|rms_norm|layer_norm|swiglu|gelu.*|rotary)$/;
const cases = opZoo.filter(({ name }) => INFERENCE_OPS.test(name));

let count = 0;
function run(model: OnnxGraph, feeds: Record<string, Float32Array>, shapes: Record<string, number[]>, output = 'y') {
  const path = join(folder, `${count++}.onnx`);
  writeOnnxModel(path, model);
  const session = createSession(path, { threads: 1 });
  const values = Object.fromEntries(
    Object.entries(feeds).map(([name, data]) => [name, ortTensor(data, shapes[name]!)]),
  );
  const result = Array.from(session.run(values, [output])[output]!.data as Float32Array);
  session.dispose();
  return result;
}

describe('graphs on ONNX Runtime', () => {
  it('covers every op that an inference graph can hold', () => {
    expect(cases.map(({ name }) => name)).toHaveLength(25);
  });

  it.each(cases)('$name is what the reference computes', ({ shapes, build, positive }) => {
    const graph = new Graph();
    graph.output('y', build(...shapes.map((shape, i) => input(graph, `x${i}`, shape, 'f32'))));
    const data = shapes.map((shape, i) => randomData(shape, i + 1).map((x) => (positive ? Math.abs(x) + 0.5 : x)));
    const feeds = Object.fromEntries(data.map((values, i) => [`x${i}`, values]));
    const sizes = Object.fromEntries(shapes.map((shape, i) => [`x${i}`, shape]));
    const actual = run(
      lowerToOnnx(graph, () => new Float32Array()),
      feeds,
      sizes,
    );
    evaluate(graph, feeds)['y']!.data.forEach((value, i) => expect(actual[i]).toBeCloseTo(value, 4));
  });

  it.each([
    ['rms_norm', 'SkipSimplifiedLayerNormalization', ['w']],
    ['layer_norm', 'SkipLayerNormalization', ['w', 'bias']],
  ] as const)(
    'makes one kernel of a residual sum and the %s that reads it, and still gives the sum',
    (_, op, names) => {
      const graph = new Graph();
      const [a, b] = ['a', 'b'].map((name) => input(graph, name, [1, 3, 4], 'f32')) as [Value, Value];
      const sum = add(a, b);
      const [weight, bias] = names.map((name) => parameter(graph, name, [4])) as [Value, Value?];
      const normed = bias ? layerNorm(sum, weight, bias, 1e-5) : rmsNorm(sum, weight, 1e-5);
      graph.output('y', add(sum, normed));
      const weights = Object.fromEntries(names.map((name, i) => [name, randomData([4], 3 + i)]));
      const model = lowerToOnnx(graph, (name) => weights[name]!);
      expect(model.nodes.map((node) => node.op)).toEqual([op, 'Add']);
      const feeds = { a: randomData([1, 3, 4], 1), b: randomData([1, 3, 4], 2) };
      const actual = run(model, feeds, { a: [1, 3, 4], b: [1, 3, 4] });
      const expected = evaluate(graph, { ...feeds, ...weights })['y']!.data;
      expected.forEach((value, i) => expect(actual[i]).toBeCloseTo(value, 5));
    },
  );
});
