/** Schedules by transformers' names (`SchedulerType`). */
export type ScheduleType =
  | 'cosine'
  | 'linear'
  | 'constant_with_warmup'
  | 'constant'
  | 'cosine_with_min_lr'
  | 'warmup_stable_decay';

export type RampType = 'linear' | 'cosine' | '1-sqrt';

export interface ScheduleOptions {
  type: ScheduleType;
  /** Peak. */
  learningRate: number;
  warmupSteps: number;
  totalSteps: number;
  /** Share of the peak at which the fall ends; warmup_stable_decay begins its warmup there, too. */
  minRate?: number;
  /** Of warmup_stable_decay: the last steps, in which the rate falls. */
  decaySteps?: number;
  decayType?: RampType;
  warmupType?: RampType;
}

/**
 * The learning rate of an optimizer step (0 is the first), as transformers' `get_scheduler`: linear warmup from zero, then
 * half a cosine to zero (`cosine`) or to a share of the peak (`cosine_with_min_lr`), a line to zero, or the peak. `constant`
 * is the peak throughout, without warmup. `warmup_stable_decay` holds the peak until its last `decaySteps` (Hu et al.,
 * MiniCPM, 2024).
 */
export function learningRateAt(step: number, options: ScheduleOptions): number {
  return options.learningRate * shareOfPeak(step, options);
}

function shareOfPeak(step: number, options: ScheduleOptions): number {
  const { type, warmupSteps, totalSteps, minRate = 0 } = options;
  if (type === 'constant') return 1;
  if (type === 'warmup_stable_decay') return stableDecay(step, options);
  if (step < warmupSteps) return step / warmupSteps;
  if (type === 'constant_with_warmup') return 1;
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
  if (type === 'linear') return 1 - progress;
  return minRate + (1 - minRate) * fall('cosine', progress);
}

function stableDecay(step: number, options: ScheduleOptions): number {
  const { warmupSteps, totalSteps, decaySteps = 0, minRate = 0, warmupType = 'linear', decayType = 'cosine' } = options;
  const above = (share: number): number => minRate + (1 - minRate) * share;
  if (step < warmupSteps) return above(fall(warmupType, 1 - step / warmupSteps));
  const decayed = step - (totalSteps - decaySteps);
  if (decayed < 0) return 1;
  return decayed < decaySteps ? above(fall(decayType, decayed / decaySteps)) : minRate;
}

/** From 1 to 0 while `progress` goes from 0 to 1; a warmup is the same fall, backward. */
function fall(type: RampType, progress: number): number {
  if (type === 'linear') return 1 - progress;
  if (type === '1-sqrt') return 1 - Math.sqrt(progress);
  return 0.5 * (1 + Math.cos(Math.PI * progress));
}
