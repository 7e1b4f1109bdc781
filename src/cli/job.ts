import type { LoadedConfigData } from '../config/loaded.ts';
import type { CommandContext, CommandResult, LlmkitEvent } from '../core/events.ts';
import type { Failure } from './failures.ts';
import type { StopSignal } from './exit-codes.ts';

/** One command to run, as plain data for a worker. */
export interface Job {
  /** URL of the module that exports `run`. */
  module: string;
  /** Flags and presets; `config` is added by whoever runs the job. */
  options: Record<string, unknown>;
  config?: LoadedConfigData;
  cwd: string;
  /** Int32[1], shared: not 0 once the user wants to stop. Read even while the worker's event loop is busy. */
  stop: SharedArrayBuffer;
}

export type Outcome = { ok: true; result: CommandResult } | { ok: false; failure: Failure };

export type FromWorker = { type: 'event'; event: LlmkitEvent } | { type: 'outcome'; outcome: Outcome };

export interface ToWorker {
  type: 'stop';
  signal: StopSignal;
}

/** What every file of src/commands exports. */
export interface CommandModule {
  run(options: Record<string, unknown>, context: CommandContext): Promise<CommandResult>;
}
