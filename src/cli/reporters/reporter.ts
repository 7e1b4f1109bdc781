import type { CommandResult, LlmkitEvent } from '../../core/events.ts';
import type { Failure } from '../failures.ts';
import type { Paint } from '../paint.ts';

/** Shows a run to someone. Every reporter sees the same events; the last call is `done`, `failed` or `close`. */
export interface Reporter {
  event(event: LlmkitEvent): void;
  /** The user asked to stop and the command is finishing what it does. */
  stopping(message: string): void;
  done(result: CommandResult): Promise<void> | void;
  failed(failure: Failure): Promise<void> | void;
  /** Nobody reads any more: ends without a word what would keep the process alive. */
  close?(): Promise<void>;
}

export interface ReporterOptions {
  command: string;
  quiet: boolean;
  verbose: boolean;
  /** Standard output: results. */
  out: (text: string) => void;
  /** Standard error: everything else. */
  err: (text: string) => void;
  /** Of the terminal that standard output is; infinite when it is none. */
  columns: number;
  outPaint: Paint;
  errPaint: Paint;
  /** Milliseconds, monotonic. */
  now: () => number;
}
