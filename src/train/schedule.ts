export interface ScheduleOptions {
  type: 'cosine' | 'linear' | 'constant_with_warmup' | 'constant';
  /** Peak. */
  learningRate: number;
  warmupSteps: number;
  totalSteps: number;
}

/**
 * The learning rate of an optimizer step (0 is the first), as transformers' `get_scheduler`: linear warmup from zero, then
 * half a cosine to zero, a line to zero, or the peak. `constant` is the peak throughout, without warmup.
 */
export function learningRateAt(step: number, { type, learningRate, warmupSteps, totalSteps }: ScheduleOptions): number {
  if (type === 'constant') return learningRate;
  if (step < warmupSteps) return (learningRate * step) / warmupSteps;
  if (type === 'constant_with_warmup') return learningRate;
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
  if (type === 'linear') return learningRate * (1 - progress);
  return learningRate * 0.5 * (1 + Math.cos(Math.PI * progress));
}
