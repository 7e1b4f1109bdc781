import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { LlmkitEvent } from '../../src/core/events.ts';
import { chooseEngine } from '../../src/engine/tf/index.ts';
import type { TfEngine } from '../../src/engine/tf/index.ts';
import { CheckpointStore } from '../../src/train/checkpoint.ts';
import { trainLoop } from '../../src/train/loop.ts';
import type { LoopOptions } from '../../src/train/loop.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { engines } from '../support/engines.ts';
import { openFixture } from '../support/decoder-fixture.ts';

const fixture = openFixture('llama-gqa');
const LENGTH = 16;
const ids = fixture.tensor('steps.input_ids');
const source = {
  numRows: 8,
  row: (i: number) => ({
    inputIds: ids.subarray(i * LENGTH, (i + 1) * LENGTH),
    labels: ids.subarray(i * LENGTH, (i + 1) * LENGTH),
    seqLengths: [LENGTH],
  }),
};

let engine: TfEngine;
let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'llmkit-loop-'))));
afterEach(() => rmSync(folder, { recursive: true }));

function makeTrainer(seed = 1): Trainer {
  return new Trainer({
    engine,
    spec: fixture.checkpoint.spec,
    // Dropout, since a resume that forgets it would differ.
    lora: { r: 4, scaling: 2, dropout: 0.1, targets: () => true },
    matrixDType: 'f32',
    memory: 'none',
    source: fixture.checkpoint.weights,
    initial: new Map(Object.entries(fixture.adapter)),
    adamw: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01, maxGradNorm: 1 },
    batch: 2,
    accumulation: 1,
    maxLength: LENGTH,
    seed,
  });
}

function options(trainer: Trainer, more: Partial<LoopOptions> = {}): LoopOptions {
  return {
    stage: 'finetune',
    trainer,
    train: source,
    validation: { ...source, numRows: 3 },
    checkpoints: new CheckpointStore(join(folder, 'checkpoints'), 2, { data: 'a' }),
    seed: 5,
    batch: 2,
    accumulation: 1,
    epochs: 2,
    maxSteps: undefined,
    schedule: { type: 'cosine', learningRate: 0.01 },
    warmupSteps: undefined,
    warmupRatio: 0.2,
    loggingSteps: 2,
    evalSteps: 3,
    saveSteps: 2,
    emit: () => undefined,
    signal: new AbortController().signal,
    ...more,
  };
}

describe.each(engines)('a training run on the %s engine', (kind) => {
  beforeAll(async () => {
    engine = await chooseEngine({ engine: kind });
  });
  afterAll(() => engine.dispose());

  it('resumes after an interruption as if there had been none, dropout included', async () => {
    const whole = makeTrainer();
    await trainLoop(options(whole, { checkpoints: new CheckpointStore(join(folder, 'other'), 2, { data: 'a' }) }));

    const abort = new AbortController();
    const first = makeTrainer();
    const interrupted = trainLoop(
      options(first, {
        signal: abort.signal,
        emit: (event) => event.type === 'step' && event.current === 5 && abort.abort(),
      }),
    );
    await expect(interrupted).rejects.toMatchObject({ kind: 'interrupted' });
    first.dispose();

    const second = makeTrainer();
    const resumed = options(second);
    expect(resumed.checkpoints.resume(second)).toBe(5);
    await trainLoop(resumed);
    expect(second.readTrained()).toEqual(whole.readTrained());
    second.dispose();
    whole.dispose();
  });

  it('gives no loss of a validation that was cut short, and keeps the steps that came before it', async () => {
    const abort = new AbortController();
    const trainer = makeTrainer();
    const seen: LlmkitEvent[] = [];
    const run = trainLoop(
      options(trainer, {
        signal: abort.signal,
        maxSteps: 2,
        saveSteps: undefined,
        validation: {
          ...source,
          row: (i) => {
            abort.abort();
            return source.row(i);
          },
        },
        emit: (event) => seen.push(event),
      }),
    );
    await expect(run).rejects.toMatchObject({ kind: 'interrupted', where: expect.stringMatching(/step-00000002$/) });
    expect(seen.filter((event) => event.type === 'metric' && event.name === 'validation_loss')).toEqual([]);

    const resumed = options(trainer, { maxSteps: 2 });
    expect(resumed.checkpoints.resume(trainer)).toBe(2);
    expect((await trainLoop(resumed)).validationLoss).toBeGreaterThan(0);
    trainer.dispose();
  });

  it('has saved the last step before it begins the last validation', async () => {
    const trainer = makeTrainer();
    const more = options(trainer, { maxSteps: 2, saveSteps: undefined });
    const validation = {
      ...source,
      row: () => {
        throw new Error(`killed with checkpoints ${more.checkpoints.steps().join()}`);
      },
    };
    await expect(trainLoop({ ...more, validation })).rejects.toThrow('killed with checkpoints 2');
    trainer.dispose();
  });

  it('keeps the newest checkpoints and reports validation and loss by step', async () => {
    const events: LlmkitEvent[] = [];
    const trainer = makeTrainer();
    const result = await trainLoop(options(trainer, { emit: (event) => events.push(event) }));
    trainer.dispose();
    expect(readdirSync(join(folder, 'checkpoints')).sort()).toEqual(['step-00000006', 'step-00000008']);
    const metrics = events.filter((event) => event.type === 'metric');
    expect(metrics.filter(({ name }) => name === 'validation_loss').map(({ step }) => step)).toEqual([3, 6, 8]);
    expect(metrics.filter(({ name }) => name === 'loss').map(({ step }) => step)).toEqual([2, 4, 6, 8]);
    expect(result.lastLoss!).toBeLessThan(result.firstLoss!);
    expect(result.tokens).toBe(8 * 2 * LENGTH);
  });

  it('refuses to resume on other data, naming what differs, and ignores half-written checkpoints', async () => {
    const trainer = makeTrainer();
    await trainLoop(options(trainer, { maxSteps: 2 }));
    const other = new CheckpointStore(join(folder, 'checkpoints'), 2, { data: 'b' });
    expect(() => other.resume(trainer)).toThrow(/another data/);
    writeFileSync(join(folder, 'checkpoints', '.step-00000009.tmp-1-abcd'), 'torn');
    expect(options(trainer).checkpoints.steps()).toEqual([2]);
    trainer.dispose();
  });

  it('drops inputs of lora_A by the seed', () => {
    const rows = [[source.row(0), source.row(1)]];
    const losses = [1, 1, 2, 0xffff_ffff].map((seed) => {
      const trainer = makeTrainer(seed);
      trainer.step(rows, 0.01);
      const { loss } = trainer.step(rows, 0.01);
      trainer.dispose();
      return loss;
    });
    expect(losses[0]).toBe(losses[1]);
    expect(new Set(losses).size).toBe(3);
  });
});
