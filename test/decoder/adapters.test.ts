import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { adaptedLinear, rowLengthsOp } from '../../src/decoder/lora.ts';
import { buildTrainingGraph } from '../../src/decoder/training.ts';
import type { TrainingGraphOptions } from '../../src/decoder/training.ts';
import { Graph, apply, differentiate, input, parameter, square, sumAll } from '../../src/graph/index.ts';
import { ADAPTERS, type AdapterFixture, openAdapterFixture } from '../support/adapter-fixture.ts';
import { makeBatch } from '../support/decoder-fixture.ts';
import { evaluate } from '../support/evaluate.ts';

const LENGTH = 16;

function run(fixture: AdapterFixture, options: Pick<TrainingGraphOptions, 'produce'> & Partial<TrainingGraphOptions>) {
  const { base, lora, trains, values } = fixture;
  const batch = makeBatch(base.tensor('input_ids'), base.tensor('labels'), LENGTH);
  const { graph, weights } = buildTrainingGraph({
    spec: base.checkpoint.spec,
    shape: { batch: batch.input_ids.length / LENGTH, length: LENGTH, band: LENGTH, blockSize: 8 },
    targets: batch.target_ids.length,
    matrixDType: 'f32',
    lora,
    trains,
    ...options,
  });
  return { results: evaluate(graph, { ...base.weights, ...Object.fromEntries(values), ...batch }), weights, batch };
}

function relativeDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let [worst, top] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    worst = Math.max(worst, Math.abs(actual[i]! - expected[i]!));
    top = Math.max(top, Math.abs(expected[i]!));
  }
  return worst / top;
}

describe.each(ADAPTERS)('PEFT adapter %s', (name) => {
  const fixture = openAdapterFixture(name);

  it("gives PEFT's logits", () => {
    const { results } = run(fixture, { produce: 'logits' });
    expect(relativeDifference(results['logits']!.data, fixture.tensor('logits'))).toBeLessThan(1e-5);
  });

  it.each(['none', 'layer'] as const)("trains what PEFT trains, by PEFT's gradients (memory: %s)", (memory) => {
    const { results, weights, batch } = run(fixture, { produce: 'gradients', memory });
    const trained = weights.filter((weight) => weight.trained).map((weight) => weight.name);
    expect(trained.toSorted()).toEqual(fixture.expected.trained);
    const n = batch.target_ids.length;
    expect(results['loss']!.data[0]! / n).toBeCloseTo(fixture.expected.loss, 5);
    for (const key of trained) {
      const gradient = results[`gradient/${key}`]!.data.map((x) => x / n);
      expect(relativeDifference(gradient, fixture.tensor(`grad.${key}`)), key).toBeLessThan(1e-4);
    }
  });
});

describe('DoRA', () => {
  const shapes = { weight: [5, 4], bias: [5], a: [2, 4], b: [5, 2], magnitude: [5] };
  const random = new Random(3);
  const feeds = Object.fromEntries(
    Object.entries({ x: [3, 4], ...shapes }).map(([name, shape]) => [
      name,
      Float64Array.from({ length: shape.reduce((n, dim) => n * dim, 1) }, () => random.normal()),
    ]),
  );

  function build(): Graph {
    const graph = new Graph();
    const value = (key: keyof typeof shapes) => parameter(graph, key, shapes[key]);
    const [weight, a, b, magnitude] = [value('weight'), value('a'), value('b'), value('magnitude')];
    const x = input(graph, 'x', [3, 4], 'f32');
    const loss = sumAll(square(adaptedLinear(x, weight, value('bias'), { a, b, scaling: 1.5, magnitude })));
    graph.output('loss', loss);
    graph.output('lengths', apply(rowLengthsOp, [weight, a, b], { scaling: 1.5 }));
    const wanted = { x, a, b, magnitude };
    const gradients = differentiate(loss, Object.values(wanted));
    Object.keys(wanted).forEach((key, i) => graph.output(`gradient/${key}`, gradients[i]!));
    return graph;
  }

  const results = evaluate(build(), feeds);
  const product = (row: number): number[] => {
    const { weight, a, b } = feeds as { [key: string]: Float64Array };
    return Array.from({ length: 4 }, (_, c) => {
      const update = [0, 1].reduce((sum, k) => sum + b![row * 2 + k]! * a![k * 4 + c]!, 0);
      return weight![row * 4 + c]! + 1.5 * update;
    });
  };

  it('has the length of each row of the adapted weight', () => {
    for (let row = 0; row < 5; row++)
      expect(results['lengths']!.data[row]).toBeCloseTo(Math.hypot(...product(row)), 12);
  });

  it('has the gradient that finite differences give while the lengths stand still', () => {
    const lengths = Array.from(results['lengths']!.data);
    const lossAt = (): number => {
      const { x, bias, magnitude } = feeds as { [key: string]: Float64Array };
      let loss = 0;
      for (let t = 0; t < 3; t++) {
        for (let row = 0; row < 5; row++) {
          const inner = product(row).reduce((sum, v, c) => sum + v * x![t * 4 + c]!, 0);
          loss += ((magnitude![row]! / lengths[row]!) * inner + bias![row]!) ** 2;
        }
      }
      return loss;
    };
    expect(results['loss']!.data[0]).toBeCloseTo(lossAt(), 9);
    for (const key of ['x', 'a', 'b', 'magnitude']) {
      const values = feeds[key]!;
      values.forEach((value, i) => {
        const at = (x: number): number => {
          values[i] = x;
          return lossAt();
        };
        const numeric = (at(value + 1e-5) - at(value - 1e-5)) / 2e-5;
        values[i] = value;
        expect(results[`gradient/${key}`]!.data[i]! / numeric, `${key}[${i}]`).toBeCloseTo(1, 6);
      });
    }
  });
});
