import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { chooseEngine } from '../../src/engine/tf/index.ts';
import type { TfEngine, TfTensor } from '../../src/engine/tf/index.ts';
import type { LoraOptions } from '../../src/decoder/training-weights.ts';
import type { TrainingRow } from '../../src/train/batches.ts';
import { Trainer } from '../../src/train/trainer.ts';
import type { TrainerOptions } from '../../src/train/trainer.ts';
import { openFixture } from '../support/decoder-fixture.ts';
import type { DecoderFixture } from '../support/decoder-fixture.ts';
import { engines } from '../support/engines.ts';
import { DECODERS, FULLY_TRAINED, OTHER_FAMILIES } from '../support/families.ts';

const lora: LoraOptions = { r: 4, scaling: 2, dropout: 0, targets: () => true };
const LENGTH = 16;

function rowsOf(fixture: DecoderFixture, name: string): TrainingRow[] {
  const [ids, labels] = [fixture.tensor(`${name}input_ids`), fixture.tensor(`${name}labels`)];
  return Array.from({ length: ids.length / LENGTH }, (_, i) => ({
    inputIds: ids.subarray(i * LENGTH, (i + 1) * LENGTH),
    labels: labels.subarray(i * LENGTH, (i + 1) * LENGTH),
    seqLengths: [LENGTH],
  }));
}

function trainer(engine: TfEngine, fixture: DecoderFixture, options: Partial<TrainerOptions> = {}): Trainer {
  const { checkpoint } = fixture;
  const initial = new Map(
    Object.entries(options.lora === undefined && 'lora' in options ? fixture.weights : fixture.adapter),
  );
  return new Trainer({
    engine,
    spec: checkpoint.spec,
    lora,
    matrixDType: 'f32',
    memory: 'none',
    source: checkpoint.weights,
    initial,
    adamw: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 0 },
    batch: 2,
    accumulation: 1,
    maxLength: LENGTH,
    seed: 1,
    ...options,
  });
}

describe.each(engines)('training on the %s engine', (kind) => {
  let engine: TfEngine;
  beforeAll(async () => {
    engine = await chooseEngine({ engine: kind });
  });
  afterAll(() => engine.dispose());

  it.each(DECODERS)('%s: twenty steps of LoRA have the losses of PEFT with torch AdamW', (name) => {
    const fixture = openFixture(name);
    const run = trainer(engine, fixture);
    const rows = rowsOf(fixture, 'steps.');
    fixture.expected.lora_steps.losses.forEach((expected, step) => {
      const { loss, gradNorm } = run.step([rows.slice(step * 2, step * 2 + 2)], 0.01);
      expect(Math.abs(loss / expected - 1), `loss of step ${step}`).toBeLessThan(1e-3);
      expect(Math.abs(gradNorm / fixture.expected.lora_steps.grad_norms[step]! - 1)).toBeLessThan(1e-2);
    });
    run.dispose();
  });

  it('clips and decays as torch does', () => {
    const fixture = openFixture('llama-gqa');
    const adamw = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01, maxGradNorm: 1 };
    const run = trainer(engine, fixture, { adamw });
    const rows = rowsOf(fixture, 'steps.');
    fixture.expected.lora_steps_clipped.losses.forEach((expected, step) => {
      const { loss } = run.step([rows.slice(step * 2, step * 2 + 2)], 0.01);
      expect(Math.abs(loss / expected - 1), `loss of step ${step}`).toBeLessThan(1e-3);
    });
    run.dispose();
  });

  const pretrain: Partial<TrainerOptions> = {
    lora: undefined,
    adamw: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, maxGradNorm: 1 },
  };

  it.each(FULLY_TRAINED)('%s: twenty steps of full training have the losses of torch', (name) => {
    const fixture = openFixture(name);
    const run = trainer(engine, fixture, pretrain);
    const rows = rowsOf(fixture, 'steps.');
    fixture.expected.pretrain!.losses.forEach((expected, step) => {
      const { loss, gradNorm } = run.step([rows.slice(step * 2, step * 2 + 2)], 0.003);
      expect(Math.abs(loss / expected - 1), `loss of step ${step}`).toBeLessThan(1e-3);
      expect(Math.abs(gradNorm / fixture.expected.pretrain!.grad_norms[step]! - 1)).toBeLessThan(1e-2);
    });
    run.dispose();
  });

  it.runIf(kind === 'native').each([
    ['LoRA', {}, 'lora_steps', 0.01],
    ['full training', pretrain, 'pretrain', 0.003],
  ] as const)('%s in bf16 follows fp32 to within the precision of bf16', (_name, options, expected, rate) => {
    const fixture = openFixture('llama-gqa-tied');
    const run = trainer(engine, fixture, { ...options, matrixDType: 'bf16' });
    const rows = rowsOf(fixture, 'steps.');
    fixture.expected[expected]!.losses.forEach((loss, step) => {
      const taken = run.step([rows.slice(step * 2, step * 2 + 2)], rate);
      // bf16 keeps 8 bits: 2^-8 a product, through two layers and twenty steps.
      expect(Math.abs(taken.loss / loss - 1), `loss of step ${step}`).toBeLessThan(2e-2);
    });
    run.dispose();
  });

  it.runIf(kind === 'native').each(OTHER_FAMILIES)(
    '%s: LoRA in bf16 follows fp32 to within the precision of bf16',
    (name) => {
      const fixture = openFixture(name);
      const run = trainer(engine, fixture, { matrixDType: 'bf16' });
      const rows = rowsOf(fixture, 'steps.');
      fixture.expected.lora_steps.losses.forEach((loss, step) => {
        const taken = run.step([rows.slice(step * 2, step * 2 + 2)], 0.01);
        expect(Math.abs(taken.loss / loss - 1), `loss of step ${step}`).toBeLessThan(2e-2);
      });
      run.dispose();
    },
  );

  it.each(['none', 'layer'] as const)(
    'leaks no tensors over steps and leaves frozen weights alone (memory: %s)',
    (memory) => {
      const fixture = openFixture('llama-gqa');
      const made = vi.spyOn(engine, 'tensor');
      const run = trainer(engine, fixture, { memory });
      // The frozen weights are the first tensors that a trainer makes.
      const names = Object.keys(fixture.weights);
      const frozen = made.mock.results.slice(0, names.length).map(({ value }) => value as TfTensor);
      made.mockRestore();
      const read = (): number[][] => frozen.map((tensor) => Array.from(engine.read(tensor)));
      const loaded = read();
      const bySize = (a: number[], b: number[]): number => a.length - b.length || a[0]! - b[0]!;
      expect(loaded.toSorted(bySize)).toEqual(
        Object.values(fixture.weights)
          .map((x) => Array.from(x))
          .sort(bySize),
      );
      const rows = rowsOf(fixture, 'steps.').slice(0, 2);
      run.step([rows], 0.01);
      const before = engine.numTensors();
      for (let i = 0; i < 20; i++) run.step([rows], 0.01);
      expect(engine.numTensors()).toBe(before);
      expect(read()).toEqual(loaded);
      run.dispose();
    },
  );

  it('gives the same numbers with blocks recomputed', () => {
    const fixture = openFixture('llama-gqa');
    const rows = rowsOf(fixture, 'steps.');
    const [plain, layer] = (['none', 'layer'] as const).map((memory) => trainer(engine, fixture, { memory }));
    for (let step = 0; step < 5; step++) {
      const part = [rows.slice(step * 2, step * 2 + 2)];
      expect(layer!.step(part, 0.01).loss).toBeCloseTo(plain!.step(part, 0.01).loss, 5);
    }
    plain!.dispose();
    layer!.dispose();
  });

  it('accumulating micro-batches equals one large batch, though their numbers of targets differ', () => {
    const fixture = openFixture('llama-gqa');
    const rows = rowsOf(fixture, 'steps.').slice(0, 4);
    rows[3] = { ...rows[3]!, labels: Array.from(rows[3]!.labels, (label, i) => (i < 12 ? -100 : label)) };
    const large = trainer(engine, fixture, { batch: 4 });
    const small = trainer(engine, fixture, { batch: 1, accumulation: 4 });
    for (let step = 0; step < 3; step++) {
      const [one, many] = [
        large.step([rows], 0.01),
        small.step(
          rows.map((row) => [row]),
          0.01,
        ),
      ];
      expect(many.loss).toBeCloseTo(one.loss, 5);
      expect(many.gradNorm).toBeCloseTo(one.gradNorm, 4);
    }
    large.dispose();
    small.dispose();
  });

  it('stops at a step whose loss is not finite and keeps the weights', () => {
    const fixture = openFixture('llama-gqa');
    const run = trainer(engine, fixture);
    const rows = rowsOf(fixture, 'steps.').slice(0, 2);
    run.step([rows], 1e30);
    const before = run.readTrained();
    expect(() => run.step([rows], 0.01)).toThrow(/diverged at step 2/);
    expect(run.readTrained()).toEqual(before);
    run.dispose();
  });
});
