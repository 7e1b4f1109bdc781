import { describe, expect, it } from 'vitest';
import { planSteps } from '../../src/train/loop.ts';
import type { LoopOptions } from '../../src/train/loop.ts';
import { learningRateAt } from '../../src/train/schedule.ts';
import type { RampType, ScheduleOptions, ScheduleType } from '../../src/train/schedule.ts';
import { failure } from '../support/failure.ts';
import { readSchedules } from './oracles.ts';

describe('learning rates', () => {
  it.each(readSchedules().cases)(
    "$type with $kwargs and $warmup_steps steps of warmup is transformers' get_scheduler",
    ({ type, kwargs, warmup_steps: warmupSteps, total_steps: totalSteps, rates }) => {
      const schedule: ScheduleOptions = {
        type: type as ScheduleType,
        learningRate: 1,
        warmupSteps,
        totalSteps,
        minRate: (kwargs['min_lr'] ?? kwargs['min_lr_rate'] ?? kwargs['min_lr_ratio'] ?? 0) as number,
        decaySteps: (kwargs['num_decay_steps'] ?? 0) as number,
        decayType: (kwargs['decay_type'] ?? 'cosine') as RampType,
        warmupType: (kwargs['warmup_type'] ?? 'linear') as RampType,
      };
      rates.forEach((rate, step) => expect(learningRateAt(step, schedule), `step ${step}`).toBeCloseTo(rate, 12));
    },
  );
});

describe('the plan of warmup_stable_decay', () => {
  const plan = (more: Partial<LoopOptions>, decaySteps?: number) =>
    planSteps({
      stage: 'pretrain',
      train: { numRows: 100 },
      seed: 1,
      batch: 1,
      accumulation: 1,
      epochs: 1,
      maxSteps: 50,
      warmupSteps: 5,
      warmupRatio: 0,
      schedule: { type: 'warmup_stable_decay', learningRate: 1, ...(decaySteps === undefined ? {} : { decaySteps }) },
      ...more,
    } as unknown as LoopOptions).schedule;

  it('decays over a share of the steps, a tenth by default, and never into the warmup', () => {
    expect(plan({}).decaySteps).toBe(5);
    expect(plan({ decayRatio: 0.25 }).decaySteps).toBe(13);
    expect(plan({ decayRatio: 1 }).decaySteps).toBe(45);
    expect(plan({}, 45).decaySteps).toBe(45);
  });

  it('refuses a decay that would begin in the warmup', () => {
    expect(failure(() => plan({}, 46))).toMatchObject({
      kind: 'config',
      where: 'pretrain.lr_scheduler_kwargs.num_decay_steps',
      expected: expect.stringContaining('at most 45 of 50'),
    });
  });
});
