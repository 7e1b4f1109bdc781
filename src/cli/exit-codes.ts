import type { ErrorKind } from '../core/errors.ts';

/** Every way llmkit ends. The one table; docs and tests read it. */
export const exitCodes = {
  ok: 0,
  /** A gate or a check failed: the work was done, the answer is no. */
  gate: 1,
  usage: 2,
  config: 2,
  environment: 3,
  data: 4,
  io: 4,
  /** sysexits' EX_SOFTWARE: llmkit's own fault. */
  bug: 70,
  /** 128 + SIGINT. */
  interrupted: 130,
} as const satisfies Record<ErrorKind | 'ok', number>;

/** 128 + the number of the signal that ended the run. SIGPIPE: the reader of standard output went away. */
export const signalExitCodes = { SIGINT: 130, SIGTERM: 143, SIGPIPE: 141 } as const;

export type StopSignal = keyof typeof signalExitCodes;

export function exitCodeOf(kind: ErrorKind, signal: StopSignal | undefined): number {
  return kind === 'interrupted' && signal !== undefined ? signalExitCodes[signal] : exitCodes[kind];
}
