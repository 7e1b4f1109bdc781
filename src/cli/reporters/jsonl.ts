import type { CommandResult, LlmkitEvent } from '../../core/events.ts';
import { failureJson, type Failure } from '../failures.ts';
import type { Reporter, ReporterOptions } from './reporter.ts';

/** Every event as a line of JSON on standard output; the last line is of type `result` or `error`. */
export class JsonlReporter implements Reporter {
  private readonly options: ReporterOptions;

  constructor(options: ReporterOptions) {
    this.options = options;
  }

  event(event: LlmkitEvent): void {
    // The result is printed once, when the run has really ended.
    if (event.type !== 'result') this.print(event);
  }

  stopping(message: string): void {
    this.print({ type: 'note', message });
  }

  done(result: CommandResult): void {
    this.print({ type: 'result', command: this.options.command, result });
  }

  failed(failure: Failure): void {
    this.print({ type: 'error', command: this.options.command, error: failureJson(failure, this.options.verbose) });
  }

  private print(line: object): void {
    this.options.out(`${JSON.stringify(line)}\n`);
  }
}
