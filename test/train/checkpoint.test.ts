import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LlmkitError } from '../../src/core/errors.ts';
import { CheckpointStore } from '../../src/train/checkpoint.ts';
import type { Trainer } from '../../src/train/trainer.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'llmkit-checkpoint-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const full = new LlmkitError('io', 'no space left on the disk', {
  where: 'state.safetensors',
  hint: 'free some space',
});

/** A trainer of one weight, whose values can be read or not. */
function trainerAt(stepsDone: number, failure?: Error): Trainer {
  function* snapshot() {
    yield {
      name: 'w',
      shape: [2],
      values: () => {
        if (failure) throw failure;
        return Float32Array.of(1, 2);
      },
    };
  }
  return { stepsDone, snapshot } as unknown as Trainer;
}

test('a checkpoint that cannot be written leaves the one before it and names its step', async () => {
  const store = new CheckpointStore(folder, 2, {});
  await store.save(trainerAt(3));
  await expect(store.save(trainerAt(6, full))).rejects.toMatchObject({
    kind: 'io',
    message: 'no space left on the disk',
    where: 'state.safetensors',
    hint: 'free some space; --resume goes on after step 3',
  });
  expect(readdirSync(folder)).toEqual(['step-00000003']);
});

test('what a killed process was removing is cleared by the next one that saves', async () => {
  const store = new CheckpointStore(folder, 2, {});
  await store.save(trainerAt(3));
  mkdirSync(join(folder, '.removed-step-1'));
  expect(store.steps()).toEqual([3]);
  await store.save(trainerAt(6));
  expect(readdirSync(folder).filter((name) => name.startsWith('.removed'))).toEqual([]);
  expect(store.steps()).toEqual([3, 6]);
});

test('the first checkpoint that cannot be written promises nothing', async () => {
  const store = new CheckpointStore(folder, 2, {});
  await expect(store.save(trainerAt(3, full))).rejects.toBe(full);
  expect(readdirSync(folder)).toEqual([]);
});

test('a new run leaves the checkpoints of an earlier one until it has saved one, whatever their steps', async () => {
  for (const step of [3, 6]) await new CheckpointStore(folder, 2, {}).save(trainerAt(step));
  const store = new CheckpointStore(folder, 2, {});
  expect(store.supersede()).toBe(6);
  expect(store.steps()).toEqual([]);
  await expect(store.save(trainerAt(2, full))).rejects.toBe(full);
  expect(readdirSync(folder).sort()).toEqual(['step-00000003', 'step-00000006']);
  await store.save(trainerAt(3));
  expect(readdirSync(folder)).toEqual(['step-00000003']);
  await store.save(trainerAt(4));
  expect(store.steps()).toEqual([3, 4]);
  expect(new CheckpointStore(join(folder, 'none'), 2, {}).supersede()).toBeUndefined();
});
