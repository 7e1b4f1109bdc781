/** A command as data: its declaration, not its work. `--help` reads nothing else. */
export interface CommandSpec {
  /** One word, or two for a command of a group: `config check`. */
  name: string;
  description: string;
  /** Positional arguments, in commander's notation. */
  args?: { name: string; description: string }[];
  flags?: FlagSpec[];
  /** Whole commands, ready to paste. */
  examples: string[];
  /** Whether -c is needed, may be given, or means nothing. */
  config: 'required' | 'optional' | 'none';
  /** File name in src/commands, without extension. It exports `run(options, context)`. */
  module: string;
  /** Options given to `run` besides the flags. */
  preset?: Record<string, string | boolean>;
  /** Runs on the main thread: for work of milliseconds. */
  inline?: boolean;
  /** Writes its result to standard output as it is made, so a live display would be in its way. */
  streams?: boolean;
  /** Keeps its events in `<output_dir>/events.jsonl`. */
  logs?: boolean;
  /** The config section whose `precision` decides whether native matmuls may use bf16; stage: the one that is planned. */
  precisionOf?: 'pretrain' | 'finetune' | 'stage';
}

export interface FlagSpec {
  /** In commander's notation: `--steps <n>`. */
  flags: string;
  description: string;
  choices?: string[];
  type?: 'int' | 'number' | 'path';
  min?: number;
  max?: number;
}

/** The flags every command has. */
export interface GlobalFlags {
  config?: string;
  set?: string[];
  json?: boolean;
  output?: 'text' | 'jsonl';
  quiet?: boolean;
  verbose?: boolean;
  color: boolean;
  engine?: 'auto' | 'native' | 'wasm';
  threads?: number;
}
