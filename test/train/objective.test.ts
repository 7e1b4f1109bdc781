import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TrainingWeights } from '../../src/decoder/training-weights.ts';
import type { Objective } from '../../src/decoder/training.ts';
import { chooseEngine } from '../../src/engine/tf/index.ts';
import type { TfEngine } from '../../src/engine/tf/index.ts';
import { Graph, input, lowerToTensorFlow } from '../../src/graph/index.ts';
import type { TrainingRow } from '../../src/train/batches.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { openFixture } from '../support/decoder-fixture.ts';
import { engines } from '../support/engines.ts';

const fixture = openFixture('llama-gqa');
const { spec } = fixture.checkpoint;
const LENGTH = 16;
const ids = fixture.tensor('steps.input_ids');
const rows: TrainingRow[] = [0, 1].map((i) => {
  const own = ids.subarray(i * LENGTH, (i + 1) * LENGTH);
  return { inputIds: own, labels: own, seqLengths: [LENGTH] };
});
const plain: Objective = { labelSmoothing: 0, zLoss: 0, neftuneAlpha: 0 };

describe.each(engines)('what training adds to cross entropy, on the %s engine', (kind) => {
  let engine: TfEngine;
  beforeAll(async () => {
    engine = await chooseEngine({ engine: kind });
  });
  afterAll(() => engine.dispose());

  function trainer(objective: Partial<Objective>, seed = 1, matrixDType: 'f32' | 'bf16' = 'f32'): Trainer {
    return new Trainer({
      engine,
      spec,
      lora: { r: 4, scaling: 2, dropout: 0, targets: () => true },
      matrixDType,
      memory: 'layer',
      source: fixture.checkpoint.weights,
      initial: new Map(Object.entries(fixture.adapter)),
      adamw: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 0 },
      objective: { ...plain, ...objective },
      batch: 2,
      accumulation: 1,
      maxLength: LENGTH,
      seed,
    });
  }

  /** Loss and gradient norm of the first step, and the validation loss of the same rows before it. */
  function firstStep(objective: Partial<Objective>, seed = 1): { loss: number; gradNorm: number; validation: number } {
    const run = trainer(objective, seed);
    const { lossSum, targets } = run.evaluate(rows);
    const { loss, gradNorm } = run.step([rows], 0.01);
    run.dispose();
    return { loss, gradNorm, validation: lossSum / targets };
  }

  it('changes the loss of training and its gradient, but not that of validation', () => {
    const base = firstStep({});
    expect(base.loss).toBeCloseTo(base.validation, 5);
    for (const objective of [{ labelSmoothing: 0.1 }, { zLoss: 1e-2 }, { neftuneAlpha: 5 }]) {
      const changed = firstStep(objective);
      expect(changed.validation, 'validation').toBe(base.validation);
      expect(Math.abs(changed.loss - base.loss), 'loss').toBeGreaterThan(1e-3);
      expect(changed.gradNorm).not.toBe(base.gradNorm);
    }
    expect(firstStep({ zLoss: 1e-2 }).loss, 'a z-loss only adds').toBeGreaterThan(base.loss);
  });

  it.runIf(kind === 'native')('follows fp32 in bf16 to within the precision of bf16', () => {
    const objective = { labelSmoothing: 0.1, zLoss: 1e-2 };
    const [exact, rounded] = (['f32', 'bf16'] as const).map((dtype) => {
      const run = trainer(objective, 1, dtype);
      const { loss, gradNorm } = run.step([rows], 0.01);
      run.dispose();
      return { loss, gradNorm };
    });
    // bf16 keeps 8 bits: 2^-8 a product, through two layers.
    expect(Math.abs(rounded!.loss / exact!.loss - 1)).toBeLessThan(2e-2);
    expect(Math.abs(rounded!.gradNorm / exact!.gradNorm - 1)).toBeLessThan(5e-2);
  });

  it('draws noise by the seed', () => {
    const losses = [1, 1, 2].map((seed) => firstStep({ neftuneAlpha: 5 }, seed).loss);
    expect(losses[1]).toBe(losses[0]);
    expect(losses[2]).not.toBe(losses[0]);
  });

  it('draws noise that is uniform up to its bound, to both sides, and other noise for another seed', () => {
    const graph = new Graph();
    const tokens = 512;
    const weights = new TrainingWeights(graph, spec, {
      matrixDType: 'f32',
      lora: undefined,
      dropoutSeed: input(graph, 'dropout_seed', [2], 'i32'),
      noiseBound: input(graph, 'noise_bound', [], 'f32'),
    });
    graph.output('x', weights.embed(input(graph, 'ids', [tokens], 'i32')));
    const program = engine.load(lowerToTensorFlow(graph, engine.kind));
    const table = new Float32Array(spec.vocabSize * spec.hiddenSize).fill(1);
    const BOUND = 0.25;
    const draw = (seed: number): Float32Array => {
      const { x } = program.run({
        ids: engine.tensor(new Int32Array(tokens), [tokens], 'i32'),
        dropout_seed: engine.tensor(Int32Array.of(seed, 0), [2], 'i32'),
        noise_bound: engine.tensor(Float32Array.of(BOUND), [], 'f32'),
        [`${spec.names.embedding}.weight`]: engine.tensor(table.slice(), [spec.vocabSize, spec.hiddenSize], 'f32'),
      });
      return (engine.read(x!) as Float32Array).map((value) => value - 1);
    };
    const noise = draw(1);
    const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    expect(Math.max(...noise.map(Math.abs))).toBeLessThanOrEqual(BOUND + 1e-6);
    // Of 16,384 draws: five standard errors of the mean, and of the mean square b^2 / 3.
    expect(Math.abs(mean([...noise]))).toBeLessThan((5 * BOUND) / Math.sqrt(3 * noise.length));
    expect(mean([...noise].map((value) => value ** 2)) / (BOUND ** 2 / 3)).toBeCloseTo(1, 1);
    expect(draw(2)).not.toEqual(noise);
    expect(draw(1)).toEqual(noise);
  });

  it('holds for full training, whose head and embedding are trained, in micro-batches as in one batch', () => {
    const options = {
      engine,
      spec: openFixture('llama-gqa-tied').checkpoint.spec,
      lora: undefined,
      matrixDType: 'f32' as const,
      memory: 'none' as const,
      source: fixture.checkpoint.weights,
      initial: new Map(Object.entries(openFixture('llama-gqa-tied').weights)),
      adamw: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, maxGradNorm: 1 },
      objective: { labelSmoothing: 0.1, zLoss: 1e-3, neftuneAlpha: 0 },
      maxLength: LENGTH,
      seed: 1,
    };
    const large = new Trainer({ ...options, batch: 2, accumulation: 1 });
    const small = new Trainer({ ...options, batch: 1, accumulation: 2 });
    for (let step = 0; step < 3; step++) {
      const one = large.step([rows], 0.003);
      const many = small.step(
        rows.map((row) => [row]),
        0.003,
      );
      expect(many.loss).toBeCloseTo(one.loss, 5);
      expect(many.gradNorm / one.gradNorm).toBeCloseTo(1, 4);
    }
    large.dispose();
    small.dispose();
  });
});
