import { formatCount, formatDuration, formatRate, formatValue } from './format.ts';
import type { StepEvent } from './events.ts';

/** How long the window is over which the rate is taken: long enough to be steady, short enough to follow a change. */
const windowMs = 30_000;

/** What a reporter shows of a stage at one moment. */
export interface ProgressView {
  stage: string;
  current: number;
  total: number | undefined;
  unit: string;
  /** 0 to 1, when the end is known. */
  fraction: number | undefined;
  /** Units per second over the last half minute; undefined until there are two moments to compare. */
  perSecond: number | undefined;
  etaMs: number | undefined;
  elapsedMs: number;
  values: Record<string, number>;
}

/** Follows the step events of one stage and tells rate and time left. Knows no clock: the caller passes the time. */
export class Progress {
  private readonly samples: { atMs: number; current: number }[] = [];
  private readonly startMs: number;
  private last: StepEvent | undefined;

  constructor(startMs: number) {
    this.startMs = startMs;
  }

  update(event: StepEvent, nowMs: number): ProgressView {
    this.last = event;
    const previous = this.samples.at(-1);
    // A count that falls began anew: an epoch, a second pass.
    if (previous !== undefined && event.current < previous.current) this.samples.length = 0;
    this.samples.push({ atMs: nowMs, current: event.current });
    while (this.samples.length > 2 && nowMs - this.samples[1]!.atMs > windowMs) this.samples.shift();
    return this.view(nowMs)!;
  }

  /** The latest view, with the time passed since taken into account; undefined before the first step. */
  view(nowMs: number): ProgressView | undefined {
    const event = this.last;
    if (event === undefined) return undefined;
    const first = this.samples[0]!;
    const latest = this.samples.at(-1)!;
    const spanMs = latest.atMs - first.atMs;
    const perSecond =
      spanMs > 0 && latest.current > first.current ? ((latest.current - first.current) * 1000) / spanMs : undefined;
    const left = event.total === undefined ? undefined : Math.max(0, event.total - event.current);
    const etaMs =
      left === undefined || perSecond === undefined
        ? undefined
        : Math.max(0, (left / perSecond) * 1000 - (nowMs - latest.atMs));
    return {
      stage: event.stage,
      current: event.current,
      total: event.total,
      unit: event.unit,
      fraction: event.total === undefined || event.total === 0 ? undefined : Math.min(1, event.current / event.total),
      perSecond,
      etaMs,
      elapsedMs: nowMs - this.startMs,
      values: event.values ?? {},
    };
  }
}

/** `loss 2.31 · learning_rate 1.00e-4`. */
export function describeValues(values: Record<string, number>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${formatValue(value)}`)
    .join(' · ');
}

/** `120/1,000 steps · 12% · 3.20 steps/s · 4m 35s left · loss 2.31`. */
export function describeProgress(view: ProgressView): string {
  const of = view.total === undefined ? '' : `/${formatCount(view.total)}`;
  const parts = [`${formatCount(view.current)}${of} ${view.unit}`];
  if (view.fraction !== undefined) parts.push(`${Math.floor(view.fraction * 100)}%`);
  if (view.perSecond !== undefined) parts.push(formatRate(view.perSecond, view.unit));
  if (view.etaMs !== undefined && view.etaMs > 0) parts.push(`${formatDuration(view.etaMs)} left`);
  const values = describeValues(view.values);
  if (values !== '') parts.push(values);
  return parts.join(' · ');
}
