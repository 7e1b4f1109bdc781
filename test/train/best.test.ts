import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LlmkitEvent } from '../../src/core/events.ts';
import { CheckpointStore } from '../../src/train/checkpoint.ts';
import { trainLoop } from '../../src/train/loop.ts';
import type { LoopOptions } from '../../src/train/loop.ts';
import { Selection } from '../../src/train/selection.ts';
import type { SelectionOptions } from '../../src/train/selection.ts';
import type { Trainer } from '../../src/train/trainer.ts';
import { rejection } from '../support/failure.ts';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'llmkit-best-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A trainer of one weight, its step; the validation losses of steps are given. */
class Scripted {
  stepsDone = 0;
  weight = 0;
  readonly losses: readonly number[];
  onEvaluate: () => void = () => undefined;

  constructor(losses: readonly number[]) {
    this.losses = losses;
  }

  step(): object {
    this.weight = ++this.stepsDone;
    return { loss: 1, gradNorm: 1, targets: 1, tokens: 1 };
  }

  evaluate(): { lossSum: number; targets: number } {
    this.onEvaluate();
    return { lossSum: this.losses[this.stepsDone - 1]!, targets: 1 };
  }

  *snapshot() {
    yield { name: 'w', shape: [1], values: () => Float32Array.of(this.weight) };
  }

  restore(stepsDone: number, read: (name: string) => Float32Array): void {
    this.stepsDone = stepsDone;
    this.weight = read('w')[0]!;
  }
}

const row = { inputIds: [1, 2], labels: [1, 2], seqLengths: [2] };

function options(
  trainer: Scripted,
  selection: Partial<SelectionOptions>,
  more: Partial<LoopOptions> = {},
): LoopOptions {
  return {
    stage: 'finetune',
    trainer: trainer as unknown as Trainer,
    train: { numRows: 100, row: () => row },
    validation: { numRows: 1, row: () => row },
    checkpoints: new CheckpointStore(folder, 1, {}),
    seed: 1,
    batch: 1,
    accumulation: 1,
    epochs: 1,
    maxSteps: trainer.losses.length,
    schedule: { type: 'constant', learningRate: 1 },
    warmupSteps: 0,
    warmupRatio: 0,
    selection: new Selection({ patience: undefined, threshold: 0, keepBest: true, ...selection }),
    loggingSteps: 1,
    evalSteps: 1,
    saveSteps: 2,
    emit: () => undefined,
    signal: new AbortController().signal,
    ...more,
  };
}

const steps = (): number[] => readdirSync(folder).map((name) => Number(name.replace('step-', '')));

describe('the best checkpoint', () => {
  const LOSSES = [5, 4, 3, 6, 7, 8, 9];

  it('stays beside the newest whatever the limit, and its weights end the run', async () => {
    const trainer = new Scripted(LOSSES);
    const seen: number[][] = [];
    const emit = (event: LlmkitEvent): void => {
      if (event.type === 'artifact') seen.push(steps());
    };
    const result = await trainLoop(options(trainer, {}, { emit }));
    expect(seen).toEqual([[1], [2], [3], [3, 4], [3, 6]]);
    expect(steps()).toEqual([3, 7]);
    expect(trainer.weight).toBe(3);
    expect(result).toMatchObject({ bestStep: 3, validationLoss: 3, totalSteps: 7 });
  });

  it('is the last one where nothing was better, and then the only one', async () => {
    const trainer = new Scripted([5, 4, 3]);
    expect(await trainLoop(options(trainer, {}))).toMatchObject({ bestStep: 3, validationLoss: 3 });
    expect(steps()).toEqual([3]);
  });

  it('is not kept where nobody asked for it', async () => {
    const trainer = new Scripted(LOSSES);
    await trainLoop(options(trainer, { keepBest: false, patience: 9 }));
    expect(steps()).toEqual([7]);
    expect(trainer.weight).toBe(7);
  });

  it('and the patience survive an interruption in the middle of a validation', async () => {
    const losses = [5, 4, 4.5, 4.6, 4.7, 3];
    const whole = new Scripted(losses);
    const expected = await trainLoop(
      options(whole, { patience: 3 }, { checkpoints: new CheckpointStore(`${folder}/whole`, 1, {}) }),
    );
    expect(expected).toMatchObject({ stoppedAt: 5, bestStep: 2 });
    rmSync(`${folder}/whole`, { recursive: true });
    for (const at of [1, 2, 3, 4, 5]) {
      const abort = new AbortController();
      const trainer = new Scripted(losses);
      trainer.onEvaluate = () => trainer.stepsDone === at && abort.abort();
      await rejection(trainLoop(options(trainer, { patience: 3 }, { signal: abort.signal })));
      const again = new Scripted(losses);
      const resumed = options(again, { patience: 3 });
      expect(resumed.checkpoints.resume(again as unknown as Trainer, resumed.selection)).toBe(at);
      const result = await trainLoop(resumed);
      expect(result, `interrupted at ${at}`).toMatchObject({ stoppedAt: 5, bestStep: 2, validationLoss: 4 });
      expect(again.weight).toBe(2);
      rmSync(folder, { recursive: true });
    }
  });

  it('is found again by a run that had already stopped early', async () => {
    const trainer = new Scripted([5, 4, 6, 7, 8, 9]);
    await trainLoop(options(trainer, { patience: 2 }));
    const again = new Scripted(trainer.losses);
    const resumed = options(again, { patience: 2 });
    expect(resumed.checkpoints.resume(again as unknown as Trainer, resumed.selection)).toBe(4);
    expect(await trainLoop(resumed)).toMatchObject({ stoppedAt: 4, bestStep: 2 });
    expect(again.weight).toBe(2);
  });
});

describe('a validation loss that is not finite', () => {
  it.each([
    ['on the way', [5, 4, Number.NaN, 3], 'step-00000002'],
    ['at the end', [5, 4, 3, Number.POSITIVE_INFINITY], 'step-00000003'],
  ])('%s stops the run, keeps the checkpoint before it and names it', async (_when, losses, lastGood) => {
    const failed = await rejection(trainLoop(options(new Scripted(losses), {})));
    expect(failed).toMatchObject({ kind: 'data', hint: expect.stringContaining(lastGood) });
    expect(readdirSync(folder)).toEqual([lastGood]);
  });
});
