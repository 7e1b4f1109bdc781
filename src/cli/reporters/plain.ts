import type { LlmkitEvent, StageEvent, StepEvent } from '../../core/events.ts';
import { formatBytes, formatDuration, formatValue } from '../../core/format.ts';
import { describeProgress, Progress, type ProgressView } from '../../core/progress.ts';
import { renderFailure, type Failure } from '../failures.ts';
import { withShortPath } from './short-path.ts';
import type { Reporter, ReporterOptions } from './reporter.ts';
import { printResult } from './result.ts';

interface Running {
  progress: Progress;
  startMs: number;
  lastLineMs: number;
  lastTenth: number;
}

/**
 * Lines for a log or a terminal without a live display: a stage says when it begins and ends, and in between
 * a line at every tenth, or after five seconds (later: after a twentieth of the time passed) of silence.
 */
export class PlainReporter implements Reporter {
  private readonly stages = new Map<string, Running>();
  private readonly options: ReporterOptions;
  private midLine = false;
  private streamed = false;

  constructor(options: ReporterOptions) {
    this.options = options;
  }

  event(given: LlmkitEvent): void {
    const event = withShortPath(given);
    const { errPaint: paint, quiet, verbose } = this.options;
    switch (event.type) {
      case 'text':
        this.options.out(event.text);
        this.streamed = true;
        this.midLine = !event.text.endsWith('\n');
        return;
      case 'warning':
        this.line(`${paint.yellow('warning:')} ${event.message}`);
        if (event.where !== undefined) this.line(`  at ${event.where}`);
        if (event.hint !== undefined) this.line(`  ${paint.cyan('hint:')} ${event.hint}`);
        return;
      case 'result':
        return;
      default:
        if (quiet) return;
    }
    if (event.type === 'start') this.line(`${paint.bold(event.command)}: ${event.message}`);
    else if (event.type === 'note') this.line(event.message);
    else if (event.type === 'stage') this.stage(event);
    else if (event.type === 'step') this.step(event);
    else if (event.type === 'artifact') {
      const size = event.bytes === undefined ? '' : ` (${formatBytes(event.bytes)})`;
      this.line(`  wrote ${event.kind}: ${event.path}${size}`);
    } else if (verbose) {
      const step = event.step === undefined ? '' : ` at step ${event.step}`;
      this.line(
        paint.dim(
          `  ${event.name} ${formatValue(event.value)}${event.unit === undefined ? '' : ` ${event.unit}`}${step}`,
        ),
      );
    }
  }

  stopping(message: string): void {
    this.line(message);
  }

  done(result: Parameters<Reporter['done']>[0]): void {
    this.endLine();
    printResult(result, this.options, this.streamed);
  }

  failed(failure: Failure): void {
    this.endLine();
    for (const line of renderFailure(failure, this.options.errPaint, this.options.verbose)) this.line(line);
  }

  private stage(event: StageEvent): void {
    if (event.status === 'begin') {
      this.running(event.stage);
      this.line(`  ${event.stage}${event.message === undefined ? '' : `: ${event.message}`}`);
      return;
    }
    const running = this.stages.get(event.stage);
    const view = running?.progress.view(this.options.now());
    const ms = event.ms ?? (running === undefined ? undefined : this.options.now() - running.startMs);
    const what = event.message ?? (view === undefined ? undefined : finalCount(view));
    const parts = [what, ms === undefined ? undefined : formatDuration(ms)];
    this.line(`  ${event.stage} done: ${parts.filter((part) => part !== undefined).join(', ')}`);
    this.stages.delete(event.stage);
  }

  private step(event: StepEvent): void {
    const running = this.running(event.stage);
    const now = this.options.now();
    const view = running.progress.update(event, now);
    const tenth = view.fraction === undefined ? 0 : Math.floor(view.fraction * 10);
    const silentMs = now - running.lastLineMs;
    const due = silentMs >= Math.max(5000, view.elapsedMs / 20) || (tenth !== running.lastTenth && silentMs >= 1000);
    if (!due) return;
    running.lastLineMs = now;
    running.lastTenth = tenth;
    this.line(`  ${event.stage} ${describeProgress(view)}`);
  }

  private running(stage: string): Running {
    let running = this.stages.get(stage);
    if (running === undefined) {
      const now = this.options.now();
      running = { progress: new Progress(now), startMs: now, lastLineMs: now, lastTenth: 0 };
      this.stages.set(stage, running);
    }
    return running;
  }

  /** Generated text may have left standard output in the middle of a line. */
  private endLine(): void {
    if (this.midLine) this.options.out('\n');
    this.midLine = false;
  }

  private line(text: string): void {
    this.options.err(`${text}\n`);
  }
}

function finalCount(view: ProgressView): string {
  const { values, ...rest } = view;
  return describeProgress({ ...rest, values, total: undefined, fraction: undefined, etaMs: undefined });
}
