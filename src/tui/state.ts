import type { LlmkitEvent, StageEvent, StepEvent } from '../core/events.ts';
import { formatBytes, formatDuration, formatValue } from '../core/format.ts';
import { describeProgress, Progress, type ProgressView } from '../core/progress.ts';

/** How many losses are remembered; later ones push earlier ones out. */
const historyLength = 1000;

export type LineKind = 'title' | 'done' | 'note' | 'warning' | 'artifact' | 'metric';

/** A line that will not change any more. */
export interface FinishedLine {
  id: number;
  kind: LineKind;
  text: string;
}

export interface ActiveStage {
  name: string;
  message: string | undefined;
  progress: Progress;
  startMs: number;
  /** Of the first value, which is the one that matters most (loss). */
  history: { name: string; values: number[] };
}

/** What the display shows: lines that are finished, and stages at work. Fed with events, it knows nothing of ink. */
export class DisplayState {
  readonly finished: FinishedLine[] = [];
  readonly active = new Map<string, ActiveStage>();
  private readonly verbose: boolean;

  constructor(verbose: boolean) {
    this.verbose = verbose;
  }

  event(event: LlmkitEvent, nowMs: number): void {
    switch (event.type) {
      case 'start':
        return this.finish('title', `${event.command}: ${event.message}`);
      case 'note':
        return this.finish('note', event.message);
      case 'warning': {
        const where = event.where === undefined ? '' : `\n  at ${event.where}`;
        const hint = event.hint === undefined ? '' : `\n  hint: ${event.hint}`;
        return this.finish('warning', `${event.message}${where}${hint}`);
      }
      case 'artifact': {
        const size = event.bytes === undefined ? '' : ` (${formatBytes(event.bytes)})`;
        return this.finish('artifact', `wrote ${event.kind}: ${event.path}${size}`);
      }
      case 'metric':
        if (this.verbose)
          this.finish('metric', `${event.name} ${formatValue(event.value)} ${event.unit ?? ''}`.trimEnd());
        return;
      case 'stage':
        return event.status === 'begin'
          ? void this.stage(event.stage, nowMs, event.message)
          : this.endStage(event, nowMs);
      case 'step':
        return this.step(event, nowMs);
      case 'text':
      case 'result':
    }
  }

  /** The display goes away: what was at work leaves a line that says how far it came. */
  settle(nowMs: number): void {
    for (const { name, progress } of this.active.values()) {
      const view = progress.view(nowMs);
      if (view !== undefined) this.finish('note', `${name}: ${describeProgress({ ...view, etaMs: undefined })}`);
    }
    this.active.clear();
  }

  private step(event: StepEvent, nowMs: number): void {
    const stage = this.stage(event.stage, nowMs, undefined);
    stage.progress.update(event, nowMs);
    const [first] = Object.entries(event.values ?? {});
    if (first === undefined) return;
    if (stage.history.name !== first[0]) stage.history = { name: first[0], values: [] };
    stage.history.values.push(first[1]);
    if (stage.history.values.length > historyLength) stage.history.values.shift();
  }

  private stage(name: string, nowMs: number, message: string | undefined): ActiveStage {
    let stage = this.active.get(name);
    if (stage === undefined) {
      stage = { name, message, progress: new Progress(nowMs), startMs: nowMs, history: { name: '', values: [] } };
      this.active.set(name, stage);
    }
    return stage;
  }

  private endStage(event: StageEvent, nowMs: number): void {
    const stage = this.active.get(event.stage);
    this.active.delete(event.stage);
    const view = stage?.progress.view(nowMs);
    const ms = event.ms ?? (stage === undefined ? undefined : nowMs - stage.startMs);
    const what = event.message ?? (view === undefined ? undefined : summary(view));
    const parts = [what, ms === undefined ? undefined : formatDuration(ms)];
    this.finish('done', `${event.stage}: ${parts.filter((part) => part !== undefined).join(', ')}`);
  }

  private finish(kind: LineKind, text: string): void {
    this.finished.push({ id: this.finished.length, kind, text });
  }
}

function summary(view: ProgressView): string {
  return describeProgress({ ...view, total: undefined, fraction: undefined, etaMs: undefined });
}
