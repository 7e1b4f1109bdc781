/**
 * Everything a command says while it works. One typed stream feeds the live display, the plain log,
 * `--output jsonl` and `events.jsonl` in the run directory. Events are plain data: they cross a worker boundary.
 */
export type LlmkitEvent =
  | StartEvent
  | StageEvent
  | StepEvent
  | MetricEvent
  | NoteEvent
  | WarningEvent
  | TextEvent
  | ArtifactEvent
  | ResultEvent;

/** A command begins. */
export interface StartEvent {
  type: 'start';
  command: string;
  /** One line for a person: what is about to happen, to what. */
  message: string;
}

/** A named part of a command begins or ends. */
export interface StageEvent {
  type: 'stage';
  stage: string;
  status: 'begin' | 'end';
  message?: string;
  /** Wall time, on `end`. */
  ms?: number;
}

/** Progress within a stage; reporters draw bars and compute ETA from it. */
export interface StepEvent {
  type: 'step';
  stage: string;
  current: number;
  /** Absent when the end is not known. */
  total?: number;
  /** What is counted: rows, steps, bytes, layers. */
  unit: string;
  /** Figures to show beside the bar, e.g. `{ loss: 2.31, learning_rate: 1e-4, tokens_per_second: 812 }`. */
  values?: Record<string, number>;
}

/** One measured figure worth keeping. */
export interface MetricEvent {
  type: 'metric';
  name: string;
  value: number;
  unit?: string;
  step?: number;
}

/** A plain line of information. */
export interface NoteEvent {
  type: 'note';
  message: string;
}

export interface WarningEvent {
  type: 'warning';
  message: string;
  where?: string;
  hint?: string;
}

/** A piece of generated text, in order; reporters stream it to standard output. */
export interface TextEvent {
  type: 'text';
  text: string;
}

/** A file or folder was written and is in its final place. */
export interface ArtifactEvent {
  type: 'artifact';
  /** prepared, checkpoint, adapter, merged, quantized, results, report, ... */
  kind: string;
  path: string;
  bytes?: number;
}

/** The command ended without throwing. Always the last event. */
export interface ResultEvent {
  type: 'result';
  command: string;
  result: CommandResult;
}

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** What a command hands back: enough for any reporter to print it, and for `--json` to be one object. */
export interface CommandResult {
  /** False when a gate or a check failed (exit 1); errors are thrown instead. */
  ok: boolean;
  /** The most important line, printed last. */
  summary: string;
  tables?: Table[];
  /** The machine-readable result, printed by `--json`. */
  data: { [key: string]: Json };
  /** The command a user would run next, whole and ready to paste. */
  next?: string;
}

export interface Table {
  title?: string;
  columns: { name: string; align?: 'left' | 'right' }[];
  rows: string[][];
}

/** What a command may use of the world around it. Commands emit events; they never print and never exit. */
export interface CommandContext {
  emit(event: LlmkitEvent): void;
  /** Aborted on SIGINT or SIGTERM: finish the step, checkpoint, throw `LlmkitError('interrupted')`. */
  signal: AbortSignal;
  /** The folder the user stands in; flags are relative to it, config paths to the config file. */
  cwd: string;
}
