import { describe, expect, it } from 'vitest';
import { Graph, constant, differentiate, lowerToTensorFlow, parameter, tokenLoss } from '../../src/graph/index.ts';
import { chooseEngine } from '../../src/engine/tf/index.ts';
import { engines } from '../support/engines.ts';
import { evaluate } from '../support/evaluate.ts';
import { checkGradient } from '../support/gradients.ts';
import { readOracles } from '../train/oracles.ts';

const { losses } = readOracles();
const [N, H, V] = losses.shape;
const targets = Int32Array.from(losses.labels, (label) => Math.max(label, 0));
const weights = Float32Array.from(losses.labels, (label) => Number(label !== -100));

function graphOf(smoothing: number, zLoss: number, chunk: number): Graph {
  const graph = new Graph();
  const hidden = parameter(graph, 'hidden', [N, H]);
  const head = parameter(graph, 'head', [V, H]);
  const ids = constant(graph, targets, [N]);
  const loss = tokenLoss(hidden, head, ids, constant(graph, weights, [N]), chunk, { smoothing, zLoss });
  graph.output('loss', loss);
  const [dHidden, dHead] = differentiate(loss, [hidden, head]);
  graph.output('d_hidden', dHidden!);
  graph.output('d_head', dHead!);
  return graph;
}

function expectClose(got: ArrayLike<number>, expected: readonly number[], tolerance: number): void {
  expect(got.length).toBe(expected.length);
  expected.forEach((value, i) => expect(Math.abs(got[i]! - value)).toBeLessThan(tolerance));
}

describe.each(losses.cases)('label smoothing $smoothing and z-loss $z_loss', (expected) => {
  it.each([2, 4, 6])(
    "have the loss and the gradients of transformers' LabelSmoother and torch, in chunks of %i",
    (chunk) => {
      const feeds = { hidden: losses.hidden, head: losses.head };
      const got = evaluate(graphOf(expected.smoothing, expected.z_loss, chunk), feeds);
      expectClose(got['loss']!.data, [expected.loss_sum], 1e-6);
      expectClose(got['d_hidden']!.data, expected.d_hidden, 1e-6);
      expectClose(got['d_head']!.data, expected.d_head, 1e-6);
    },
  );

  it('agree with finite differences', () => {
    checkGradient(
      [
        [N, H],
        [V, H],
      ],
      (hidden, head) =>
        tokenLoss(hidden, head, constant(hidden.graph, targets, [N]), constant(hidden.graph, weights, [N]), 4, {
          smoothing: expected.smoothing,
          zLoss: expected.z_loss,
        }),
    );
  });

  it.each(engines)('are computed by the %s engine', async (kind) => {
    const engine = await chooseEngine({ engine: kind });
    const program = engine.load(lowerToTensorFlow(graphOf(expected.smoothing, expected.z_loss, 4), engine.kind));
    const results = program.run({
      hidden: engine.tensor(Float32Array.from(losses.hidden), [N, H], 'f32'),
      head: engine.tensor(Float32Array.from(losses.head), [V, H], 'f32'),
    });
    expectClose(engine.read(results['loss']!), [expected.loss_sum], 1e-4);
    expectClose(engine.read(results['d_hidden']!), expected.d_hidden, 1e-5);
    expectClose(engine.read(results['d_head']!), expected.d_head, 1e-5);
    engine.dispose();
  });
});
