import { z } from 'zod';
import { positiveInt } from './common.ts';

const ramp = z.enum(['linear', 'cosine', '1-sqrt']);

/** What some schedules want beside a peak and a warmup, by transformers' names; `decay_ratio` is ours, as warmup_ratio is. */
export const schedulerKwargs = z
  .strictObject({
    min_lr_rate: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe('cosine_with_min_lr: where it ends, as a share of the peak.'),
    min_lr: z.number().nonnegative().optional().describe('cosine_with_min_lr: where it ends.'),
    decay_ratio: z
      .number()
      .gt(0)
      .max(1)
      .optional()
      .describe('warmup_stable_decay: share of the steps that decay, the last ones; 0.1 when neither is given.'),
    num_decay_steps: positiveInt.optional().describe('warmup_stable_decay: steps that decay, instead of decay_ratio.'),
    decay_type: ramp.optional().describe('warmup_stable_decay: cosine when not given.'),
    warmup_type: ramp.optional().describe('warmup_stable_decay: linear when not given.'),
    min_lr_ratio: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe('warmup_stable_decay: where warmup begins and decay ends, as a share of the peak; 0 when not given.'),
  })
  .describe('Of lr_scheduler_type: cosine_with_min_lr wants min_lr_rate or min_lr.');

export type SchedulerKwargs = z.output<typeof schedulerKwargs>;

export const scheduleTypes = [
  'cosine',
  'linear',
  'constant_with_warmup',
  'constant',
  'cosine_with_min_lr',
  'warmup_stable_decay',
] as const;

const KEYS: Partial<Record<(typeof scheduleTypes)[number], readonly (keyof SchedulerKwargs)[]>> = {
  cosine_with_min_lr: ['min_lr_rate', 'min_lr'],
  warmup_stable_decay: ['decay_ratio', 'num_decay_steps', 'decay_type', 'warmup_type', 'min_lr_ratio'],
};
/** Two ways to say one thing. */
const EITHER: readonly (readonly (keyof SchedulerKwargs)[])[] = [
  ['min_lr_rate', 'min_lr'],
  ['decay_ratio', 'num_decay_steps'],
];

interface Schedule {
  learning_rate: number;
  lr_scheduler_type: (typeof scheduleTypes)[number];
  lr_scheduler_kwargs: SchedulerKwargs;
  warmup_ratio?: number | undefined;
  warmup_steps?: number | undefined;
}

/** Rule: a schedule's arguments are its own, each said once, and none that it needs is missing. */
export function scheduleRule(value: Schedule, context: z.core.$RefinementCtx<Schedule>): void {
  const { lr_scheduler_type: type, lr_scheduler_kwargs: kwargs } = value;
  const own = KEYS[type] ?? [];
  const issue = (path: string[], message: string, expected: string, got: string): void =>
    context.addIssue({ code: 'custom', input: value, path, message, params: { expected, got } });
  const given = (Object.keys(kwargs) as (keyof SchedulerKwargs)[]).filter((key) => kwargs[key] !== undefined);
  for (const key of given.filter((name) => !own.includes(name))) {
    const path = ['lr_scheduler_kwargs', key];
    issue(path, `${key} says nothing to the ${type} schedule`, own.join(', ') || 'no arguments', String(kwargs[key]));
  }
  for (const [one, other] of EITHER as [keyof SchedulerKwargs, keyof SchedulerKwargs][]) {
    if (!given.includes(one) || !given.includes(other)) continue;
    const got = `${one} ${kwargs[one]} and ${other} ${kwargs[other]}`;
    issue(['lr_scheduler_kwargs', other], `${other} and ${one} are both given`, 'one of them', got);
  }
  if (type === 'cosine_with_min_lr' && !given.some((key) => own.includes(key))) {
    issue(
      ['lr_scheduler_type'],
      'cosine_with_min_lr has no end',
      'lr_scheduler_kwargs: { min_lr_rate: 0.1 }',
      'neither',
    );
  }
  if (kwargs.min_lr !== undefined && kwargs.min_lr > value.learning_rate) {
    const got = `${kwargs.min_lr}`;
    issue(['lr_scheduler_kwargs', 'min_lr'], 'min_lr is above the peak', `at most ${value.learning_rate}`, got);
  }
}
