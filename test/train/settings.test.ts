import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/index.ts';
import type { LlmkitEvent } from '../../src/core/events.ts';
import { runTraining } from '../../src/train/run.ts';
import type { TrainingRunOptions, TrainingRunResult } from '../../src/train/run.ts';
import { initLora } from '../../src/train/weights.ts';
import { openFixture } from '../support/decoder-fixture.ts';
import { rejection } from '../support/failure.ts';

const { checkpoint } = openFixture('llama-gqa');
const rowOf = (seed: number, length: number) => {
  const inputIds = Array.from({ length }, (_, t) => 3 + ((seed * 29 + t * 11) % 90));
  return { inputIds, labels: inputIds, seqLengths: [length] };
};
const train = { numRows: 16, maxLength: 32, row: (i: number) => rowOf(i, 6 + ((i * 5) % 25)) };
const validation = { numRows: 2, row: (i: number) => rowOf(50 + i, 12) };

let dir: string;
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'llmkit-settings-'))));
afterEach(() => rmSync(dir, { recursive: true }));

let events: LlmkitEvent[] = [];

function run(set: string[], more: Partial<TrainingRunOptions> = {}): Promise<TrainingRunResult> {
  events = [];
  const file = join(dir, 'config.yaml');
  writeFileSync(file, 'version: 1\noutput_dir: run\n');
  const settings = ['per_device_train_batch_size=2', 'max_steps=8', 'learning_rate=0.01', ...set];
  return runTraining(
    {
      stage: 'finetune',
      config: loadConfig(file, { set: settings.map((each) => `finetune.${each}`) }).config.finetune,
      spec: checkpoint.spec,
      source: checkpoint.weights,
      lora: { r: 2, scaling: 1, dropout: 0, targets: () => true },
      initial: (weights) => initLora(weights, 1),
      train,
      validation,
      engine: 'wasm',
      threads: undefined,
      resume: false,
      checkpointFolder: join(dir, 'checkpoints'),
      fingerprint: {},
      ...more,
    },
    { emit: (event) => events.push(event), signal: new AbortController().signal, cwd: dir },
  );
}

const valuesOf = (name: string): number[] =>
  events.flatMap((event) => (event.type === 'step' && event.unit === 'steps' ? [event.values![name]!] : []));

describe('settings of a run', () => {
  it('shape the learning rate', async () => {
    const kwargs = ['num_decay_steps=4', 'decay_type=linear', 'min_lr_ratio=0.2'];
    await run([
      'lr_scheduler_type=warmup_stable_decay',
      'warmup_steps=2',
      ...kwargs.map((each) => `lr_scheduler_kwargs.${each}`),
    ]);
    const expected = [0.2, 0.6, 1, 1, 1, 0.8, 0.6, 0.4].map((share) => expect.closeTo(share * 0.01, 10));
    expect(valuesOf('learning_rate')).toEqual(expected);
    await run(['lr_scheduler_type=cosine_with_min_lr', 'warmup_steps=0', 'lr_scheduler_kwargs.min_lr=0.005']);
    const rates = valuesOf('learning_rate');
    expect(rates[0]).toBe(0.01);
    expect(Math.min(...rates)).toBeGreaterThan(0.005);
    expect(rates.at(-1)).toBeCloseTo(0.005, 3);
  });

  it('shape the loss of training and leave that of validation', async () => {
    const first = async (set: string[], more: Partial<TrainingRunOptions> = {}): Promise<number> => {
      await run(['max_steps=1', ...set], more);
      return valuesOf('loss')[0]!;
    };
    const plain = await first([]);
    expect(await first(['label_smoothing_factor=0.1'])).not.toBeCloseTo(plain, 3);
    expect(await first(['neftune_noise_alpha=15'])).not.toBeCloseTo(plain, 3);
    expect(await first([], { zLoss: 0.01 })).toBeGreaterThan(plain + 0.01);
    expect(await first(['group_by_length=true']), 'other rows come first').not.toBe(plain);
  });

  it('stop early and end with the best weights, which a resumed run still has', async () => {
    // A rate that ruins the model: the first validation is the best.
    const ruin = ['learning_rate=0.3', 'lr_scheduler_type=constant', 'warmup_steps=0', 'eval_steps=1'];
    const set = [...ruin, 'early_stopping_patience=2', 'load_best_model_at_end=true', 'save_total_limit=1'];
    const result = await run(set);
    expect(result).toMatchObject({ bestStep: 1, stoppedAt: 3, totalSteps: 8 });
    expect(readdirSync(join(dir, 'checkpoints')).sort()).toEqual(['step-00000001', 'step-00000003']);
    const again = await run(set, { resume: true });
    expect(again).toMatchObject({ bestStep: 1, stoppedAt: 3, validationLoss: result.validationLoss });
    expect(again.trained).toEqual(result.trained);
    rmSync(join(dir, 'checkpoints', 'step-00000001'), { recursive: true });
    await run(set, { resume: true });
    const warnings = events.flatMap((event) => (event.type === 'warning' ? [event.message] : []));
    expect(warnings).toEqual([
      'the checkpoint of step 1, the best so far, is gone: the best of the steps to come counts',
    ]);
  });

  it('that look for the best step need validation data', async () => {
    const failed = await rejection(run(['eval_steps=1', 'early_stopping_patience=2'], { validation: undefined }));
    expect(failed).toMatchObject({ kind: 'config', where: 'finetune.early_stopping_patience' });
  });
});
