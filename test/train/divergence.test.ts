import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { chooseEngine } from '../../src/engine/tf/index.ts';
import type { TfEngine } from '../../src/engine/tf/index.ts';
import type { WeightSource } from '../../src/io/safetensors.ts';
import type { TrainingRow } from '../../src/train/batches.ts';
import { CheckpointStore } from '../../src/train/checkpoint.ts';
import { Divergence } from '../../src/train/divergence.ts';
import { StepPlan } from '../../src/train/batches.ts';
import { trainLoop } from '../../src/train/loop.ts';
import type { LoopOptions } from '../../src/train/loop.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { openFixture } from '../support/decoder-fixture.ts';
import { engines } from '../support/engines.ts';
import { failure, rejection } from '../support/failure.ts';

const fixture = openFixture('llama-gqa');
const EMBEDDING = 'model.embed_tokens.weight';
const HIDDEN = fixture.checkpoint.spec.hiddenSize;
/** A token that no other row has, and whose embedding is not a number. */
const POISON = 95;

const rowOf = (...ids: number[]): TrainingRow => ({ inputIds: ids, labels: ids, seqLengths: [ids.length] });
const rows = Array.from({ length: 8 }, (_, i) => rowOf(i + 3, i + 4, i + 5, i + 6));
const BAD = 5;
const poisoned = rows.with(BAD, rowOf(7, POISON, 8, 9));

const source: WeightSource = {
  ...fixture.checkpoint.weights,
  tensors: fixture.checkpoint.weights.tensors,
  read: (name) => fixture.checkpoint.weights.read(name),
  readF32: (name) => {
    const values = fixture.checkpoint.weights.readF32(name);
    if (name === EMBEDDING) values.fill(Number.NaN, POISON * HIDDEN, (POISON + 1) * HIDDEN);
    return values;
  },
};

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'llmkit-divergence-'))));
afterEach(() => rmSync(folder, { recursive: true }));

function loopDefaults(trainer: Trainer, data: readonly TrainingRow[], more: Partial<LoopOptions> = {}): LoopOptions {
  return {
    stage: 'finetune',
    trainer,
    train: { numRows: data.length, row: (i) => data[i]! },
    validation: undefined,
    checkpoints: new CheckpointStore(folder, 2, {}),
    seed: 5,
    batch: 2,
    accumulation: 1,
    epochs: 1,
    maxSteps: undefined,
    schedule: { type: 'constant', learningRate: 1e-3 },
    warmupSteps: 0,
    warmupRatio: 0,
    loggingSteps: 1,
    evalSteps: undefined,
    saveSteps: 1,
    emit: () => undefined,
    signal: new AbortController().signal,
    ...more,
  };
}

describe.each(engines)('divergence on the %s engine', (kind) => {
  let engine: TfEngine;
  beforeAll(async () => {
    engine = await chooseEngine({ engine: kind });
  });
  afterAll(() => engine.dispose());

  const makeTrainer = (): Trainer =>
    new Trainer({
      engine,
      spec: fixture.checkpoint.spec,
      lora: { r: 4, scaling: 2, dropout: 0, targets: () => true },
      matrixDType: 'f32',
      memory: 'none',
      source,
      initial: new Map(Object.entries(fixture.adapter)),
      adamw: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 1 },
      batch: 2,
      accumulation: 1,
      maxLength: 32,
      seed: 1,
    });

  it('names the step, the layer, the row that has no loss and the last good checkpoint, and writes nothing more', async () => {
    const plan = new StepPlan({ numRows: rows.length, seed: 5, batch: 2, accumulation: 1 });
    const step = [0, 1, 2, 3].find((at) => plan.rowsOf(at)[0]!.includes(BAD))!;
    const other = plan.rowsOf(step)[0]!.find((index) => index !== BAD)!;
    const trainer = makeTrainer();
    const failed = await rejection(trainLoop(loopDefaults(trainer, poisoned)));
    const lastGood = `step-${String(step).padStart(8, '0')}`;
    expect(failed).toMatchObject({
      kind: 'data',
      message: `training diverged at step ${step + 1}: loss NaN, gradient norm NaN`,
      got: `no finite loss of rows ${BAD}; the other 1 have one`,
    });
    expect(failed.where).toMatch(/^gradient of model\.layers\.1\..*; batch rows \d+, \d+$/);
    expect(
      failed
        .where!.match(/\d+, \d+$/)![0]
        .split(', ')
        .map(Number)
        .toSorted(),
    ).toEqual([BAD, other].toSorted());
    const saved = readdirSync(folder);
    if (step > 0) {
      expect(saved).toContain(lastGood);
      expect(failed.hint).toContain(lastGood);
    }
    expect(saved.filter((name) => Number(name.slice(5)) > step || name.startsWith('.'))).toEqual([]);
    const tensors = engine.numTensors();
    expect(failure(() => trainer.step([[poisoned[BAD]!]], 1e-3))).toBeInstanceOf(Divergence);
    expect(failure(() => trainer.step([[poisoned[BAD]!]], 1e-3))).toBeInstanceOf(Divergence);
    expect(engine.numTensors()).toBe(tensors);
    trainer.dispose();
  });

  it('is a loss above its limit, too, where a factor is set, and names the rows with the highest loss', () => {
    const trainer = makeTrainer();
    const before = trainer.readTrained();
    const stopped = failure(() => trainer.step([[rows[0]!, rows[1]!]], 1e-3, 0.1)) as Divergence;
    expect(stopped.record.firstNonFinite).toBeUndefined();
    expect(stopped.record.rowLosses.every((loss) => loss! > 0.1)).toBe(true);
    expect(stopped.withRows([40, 41], undefined).got).toMatch(/^rows with the highest loss by themselves: 4\d \(\d/);
    expect(stopped.withRows([40, 41], undefined).hint).toContain('no checkpoint was saved before');
    expect(trainer.readTrained()).toEqual(before);
    trainer.step([[rows[0]!, rows[1]!]], 1e-3, 100);
    expect(trainer.stepsDone).toBe(1);
    trainer.dispose();
  });

  it('never reaches a checkpoint: weights that an update made infinite are not saved', async () => {
    const trainer = makeTrainer();
    await trainLoop(loopDefaults(trainer, rows, { maxSteps: 2 }));
    const infinite = loopDefaults(trainer, rows, { maxSteps: 4, schedule: { type: 'constant', learningRate: 1e39 } });
    const failed = await rejection(trainLoop(infinite));
    expect(failed).toMatchObject({ kind: 'data', message: expect.stringContaining('diverged at step 3') });
    expect(readdirSync(folder).sort()).toEqual(['step-00000001', 'step-00000002']);
    trainer.dispose();
  });
});

it('is looked for with a factor of the mean loss of the twenty steps before', async () => {
  const limits: number[] = [];
  const stub = {
    stepsDone: 0,
    step(_rows: unknown, _rate: number, limit: number) {
      limits.push(limit);
      return { loss: ++this.stepsDone <= 20 ? 2 : 4, gradNorm: 1, targets: 1, tokens: 1 };
    },
    *snapshot() {},
  };
  await trainLoop({
    ...loopDefaults(stub as unknown as Trainer, rows),
    maxSteps: 24,
    lossSpikeFactor: 3,
  });
  expect(limits.slice(0, 20).every((limit) => limit === Number.POSITIVE_INFINITY)).toBe(true);
  expect(limits.slice(20)).toEqual([6, 6.3, 6.6, 6.9].map((limit) => expect.closeTo(limit, 9)));
});
