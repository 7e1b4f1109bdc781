import type { CommandResult, LlmkitEvent } from '../../core/events.ts';
import { failureJson, type Failure } from '../failures.ts';
import type { Reporter, ReporterOptions } from './reporter.ts';

/** Exactly one JSON object on standard output, whatever happens, and nothing on standard error. */
export class JsonReporter implements Reporter {
  private readonly warnings: { message: string; where?: string; hint?: string }[] = [];
  private readonly artifacts: { kind: string; path: string; bytes?: number }[] = [];
  private readonly options: ReporterOptions;

  constructor(options: ReporterOptions) {
    this.options = options;
  }

  event(event: LlmkitEvent): void {
    const { type, ...rest } = event;
    if (type === 'warning') this.warnings.push(rest as Omit<typeof event & { type: 'warning' }, 'type'>);
    if (type === 'artifact') this.artifacts.push(rest as Omit<typeof event & { type: 'artifact' }, 'type'>);
  }

  stopping(): void {
    // The object that follows says that the run was interrupted.
  }

  done(result: CommandResult): void {
    const { ok, summary, data, next, tables: _shown, ...others } = result;
    this.print({ ok, command: this.options.command, summary, data, next, ...others });
  }

  failed(failure: Failure): void {
    this.print({ ok: false, command: this.options.command, error: failureJson(failure, this.options.verbose) });
  }

  private print(object: Record<string, unknown>): void {
    const seen = { warnings: this.warnings, artifacts: this.artifacts };
    this.options.out(`${JSON.stringify({ ...object, ...seen })}\n`);
  }
}
