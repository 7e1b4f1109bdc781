import type { CommandResult, LlmkitEvent } from '../../core/events.ts';
import { renderFailure, type Failure } from '../failures.ts';
import { withShortPath } from './short-path.ts';
import type { Reporter, ReporterOptions } from './reporter.ts';
import { printResult } from './result.ts';

type Display = Awaited<ReturnType<(typeof import('../../tui/index.tsx'))['startDisplay']>>;

/** The live display on standard error, and the same end as the plain reporter once it is gone. */
export class LiveReporter implements Reporter {
  private readonly options: ReporterOptions;
  private readonly display: Display;

  private constructor(options: ReporterOptions, display: Display) {
    this.options = options;
    this.display = display;
  }

  static async start(options: ReporterOptions): Promise<LiveReporter> {
    const { startDisplay } = await import('../../tui/index.tsx');
    const { errPaint, verbose, now } = options;
    return new LiveReporter(options, startDisplay({ stream: process.stderr, color: errPaint.enabled, verbose, now }));
  }

  event(event: LlmkitEvent): void {
    this.display.event(withShortPath(event));
  }

  stopping(message: string): void {
    this.display.event({ type: 'note', message });
  }

  async done(result: CommandResult): Promise<void> {
    await this.display.stop();
    printResult(result, this.options);
  }

  async failed(failure: Failure): Promise<void> {
    await this.display.stop();
    this.options.err(`${renderFailure(failure, this.options.errPaint, this.options.verbose).join('\n')}\n`);
  }

  async close(): Promise<void> {
    await this.display.stop();
  }
}
