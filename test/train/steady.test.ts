import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { chooseEngine } from '../../src/engine/tf/index.ts';
import type { TfEngine } from '../../src/engine/tf/index.ts';
import type { TrainingRow } from '../../src/train/batches.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { openFixture } from '../support/decoder-fixture.ts';
import { engines } from '../support/engines.ts';
import { readAccumulation } from './oracles.ts';

const fixture = openFixture('llama-gqa');
const MAX_LENGTH = 64;
const random = new Random(11);

/** A packed row of several documents, of which a part only carries a loss. */
function packedRow(): TrainingRow {
  const seqLengths = Array.from({ length: 1 + random.int(3) }, () => 2 + random.int(19));
  const length = seqLengths.reduce((a, b) => a + b, 0);
  const inputIds = Array.from({ length }, () => 3 + random.int(90));
  const keep = random.float();
  const labels = inputIds.map((id) => (random.float() < keep ? id : -100));
  labels[1] = inputIds[1]!;
  return { inputIds, labels, seqLengths };
}

describe.each(engines)('many steps on the %s engine', (kind) => {
  let engine: TfEngine;
  beforeAll(async () => {
    engine = await chooseEngine({ engine: kind });
  });
  afterAll(() => engine.dispose());

  const trainer = (batch: number, accumulation: number): Trainer =>
    new Trainer({
      engine,
      spec: fixture.checkpoint.spec,
      lora: { r: 4, scaling: 2, dropout: 0.1, targets: () => true },
      matrixDType: 'f32',
      memory: 'layer',
      source: fixture.checkpoint.weights,
      initial: new Map(Object.entries(fixture.adapter)),
      adamw: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01, maxGradNorm: 1 },
      objective: { labelSmoothing: 0.1, zLoss: 1e-4, neftuneAlpha: 5 },
      batch,
      accumulation,
      maxLength: MAX_LENGTH,
      seed: 1,
    });

  it('hold no more tensors after 200 steps and validations of rows of all sizes than after the first', () => {
    const run = trainer(2, 2);
    const rows = Array.from({ length: 12 }, packedRow);
    const at = (i: number): TrainingRow => rows[i % rows.length]!;
    const take = (i: number): void => {
      run.step(
        [
          [at(i), at(i + 1)],
          [at(i + 2), at(i + 3)],
        ],
        1e-3,
      );
      if (i % 10 === 0) run.evaluate([at(i)]);
    };
    // Programs hold their constants on wasm: every size is seen once before the count.
    for (let i = 0; i < 60; i++) take(i);
    const [before, programs] = [engine.numTensors(), run.programCount];
    for (let i = 60; i < 260; i++) take(i);
    expect(run.programCount).toBe(programs);
    expect(engine.numTensors()).toBe(before);
    run.dispose();
  }, 120_000);
});

describe.each(engines)('accumulation on the %s engine', (kind) => {
  it('equals the large batch on packed rows with unequal targets, whatever is in which micro-batch', async () => {
    const engine = await chooseEngine({ engine: kind });
    const rows = Array.from({ length: 4 }, packedRow);
    const make = (batch: number, accumulation: number): Trainer =>
      new Trainer({
        engine,
        spec: fixture.checkpoint.spec,
        lora: { r: 4, scaling: 2, dropout: 0, targets: () => true },
        matrixDType: 'f32',
        memory: 'none',
        source: fixture.checkpoint.weights,
        initial: new Map(Object.entries(fixture.adapter)),
        adamw: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01, maxGradNorm: 1 },
        batch,
        accumulation,
        maxLength: MAX_LENGTH,
        seed: 1,
      });
    const targets = rows.map(({ labels }) => Array.from(labels).filter((label, t) => t > 0 && label !== -100).length);
    expect(new Set(targets).size).toBeGreaterThan(1);
    const large = make(4, 1);
    const parts = [make(1, 4), make(2, 2), make(3, 2)];
    for (let step = 0; step < 3; step++) {
      const one = large.step([rows], 0.01);
      expect(one.targets).toBe(targets.reduce((a, b) => a + b, 0));
      for (const [i, size] of [1, 2, 3].entries()) {
        const micro = Array.from({ length: Math.ceil(4 / size) }, (_, k) => rows.slice(k * size, (k + 1) * size));
        const many = parts[i]!.step(micro, 0.01);
        expect(many.loss).toBeCloseTo(one.loss, 5);
        expect(many.gradNorm / one.gradNorm).toBeCloseTo(1, 4);
        expect(many.targets).toBe(one.targets);
      }
    }
    for (const each of [large, ...parts]) each.dispose();
    engine.dispose();
  });
});

describe.each(engines)('accumulation of packed rows on the %s engine', (kind) => {
  it('has the losses and gradient norms of PEFT with losses divided by the targets of the whole step', async () => {
    const engine = await chooseEngine({ engine: kind });
    const expected = readAccumulation();
    const run = new Trainer({
      engine,
      spec: fixture.checkpoint.spec,
      lora: { r: 4, scaling: 2, dropout: 0, targets: () => true },
      matrixDType: 'f32',
      memory: 'none',
      source: fixture.checkpoint.weights,
      initial: new Map(Object.entries(fixture.adapter)),
      adamw: {
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weightDecay: expected.weight_decay,
        maxGradNorm: expected.max_grad_norm,
      },
      batch: 2,
      accumulation: 3,
      maxLength: MAX_LENGTH,
      seed: 1,
    });
    expected.steps.forEach(({ micro_batches: micro, ...step }, i) => {
      const rows = micro.map((each) =>
        each.map((row) => ({ inputIds: row.input_ids, labels: row.labels, seqLengths: row.seq_lengths })),
      );
      const taken = run.step(rows, expected.learning_rate);
      expect(taken.targets).toBe(step.targets);
      expect(Math.abs(taken.loss / step.loss - 1), `loss of step ${i}`).toBeLessThan(1e-3);
      expect(Math.abs(taken.gradNorm / step.grad_norm - 1), `gradient norm of step ${i}`).toBeLessThan(1e-2);
    });
    run.dispose();
    engine.dispose();
  });
});
