export interface ScheduleOptions {
  type: 'cosine' | 'linear' | 'constant';
  /** Peak. */
  learningRate: number;
  warmupSteps: number;
  totalSteps: number;
}

/**
 * The learning rate of an optimizer step (0 is the first), as transformers' `get_scheduler`: linear warmup from zero, then
 * half a cosine to zero, a line to zero, or the peak throughout.
 */
export function learningRateAt(step: number, { type, learningRate, warmupSteps, totalSteps }: ScheduleOptions): number {
  if (step < warmupSteps) return (learningRate * step) / warmupSteps;
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
  if (type === 'constant') return learningRate;
  if (type === 'linear') return learningRate * (1 - progress);
  return learningRate * 0.5 * (1 + Math.cos(Math.PI * progress));
}
