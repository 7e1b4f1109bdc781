import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type ErrorRecord, LlmkitError, LlmkitErrors } from '../../core/errors.ts';
import type { CommandContext, CommandResult, LlmkitEvent } from '../../core/events.ts';

const LLMKIT = fileURLToPath(new URL('../../../bin/llmkit.js', import.meta.url));
/** Lines of a child's standard error kept for when it ends without a word. */
const KEPT_LINES = 20;

/** A line of `--output jsonl`. */
type Line = LlmkitEvent | { type: 'error'; command: string; error: ErrorRecord & { errors?: ErrorRecord[] } };

export interface Stage {
  result: CommandResult;
  /** Wall time of the process. */
  ms: number;
}

/**
 * Runs a llmkit command in a process of its own and hands its events on. Each stage gets one because the precision of
 * TensorFlow's products is a setting of the process.
 *
 * @param args the command and its flags
 * @throws LlmkitError what the command failed with; 'bug' when it ended without a result
 */
export async function runStage(args: readonly string[], context: CommandContext): Promise<Stage> {
  const begun = performance.now();
  // A group of its own, so that Ctrl-C reaches it once, from here: a second one would kill it.
  const child = spawn(process.execPath, [LLMKIT, ...args, '--output', 'jsonl'], {
    cwd: context.cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: process.platform !== 'win32',
  });
  const stop = (): void => void child.kill('SIGINT');
  context.signal.addEventListener('abort', stop);
  if (context.signal.aborted) stop();
  const printed: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    printed.push(line);
    if (printed.length > KEPT_LINES) printed.shift();
  });
  const ended = new Promise<string>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(signal ?? `code ${code}`));
  });
  let last: Extract<Line, { type: 'result' | 'error' }> | undefined;
  const forward = forwarder(context);
  try {
    for await (const text of createInterface({ input: child.stdout })) {
      const line = JSON.parse(text) as Line;
      if (line.type === 'result' || line.type === 'error') last = line;
      else forward.event(line);
    }
    const end = await ended;
    forward.end();
    if (last?.type === 'result') return { result: last.result, ms: performance.now() - begun };
    // The command's own hint is to resume it, which is not what the user ran.
    if (context.signal.aborted) throw new LlmkitError('interrupted', last?.error.message ?? 'stopped on request');
    if (last !== undefined) throw errorOf(last.error);
    throw silent(args, end, printed);
  } finally {
    context.signal.removeEventListener('abort', stop);
  }
}

/** Hands events on, but for generated text and notes of stopping, and ends what a command leaves open when it ends. */
function forwarder({ emit, signal }: CommandContext): { event(event: LlmkitEvent): void; end(): void } {
  const open = new Set<string>();
  return {
    event(event) {
      if (event.type === 'text' || (event.type === 'note' && signal.aborted)) return;
      if (event.type === 'step') open.add(event.stage);
      if (event.type === 'stage') open[event.status === 'begin' ? 'add' : 'delete'](event.stage);
      emit(event);
    },
    end() {
      for (const stage of open) emit({ type: 'stage', stage, status: 'end' });
    },
  };
}

function errorOf({ errors, ...record }: ErrorRecord & { errors?: ErrorRecord[] }): LlmkitError {
  if (errors !== undefined)
    return new LlmkitErrors(
      record.kind,
      record.message,
      errors.map((one) => errorOf(one)),
    );
  const { kind, message, stack, ...details } = record;
  const error = new LlmkitError(kind, message, details);
  if (stack !== undefined) error.stack = stack;
  return error;
}

function silent(args: readonly string[], end: string, printed: readonly string[]): LlmkitError {
  return new LlmkitError('bug', `llmkit ${args.join(' ')} ended with ${end} and no result`, {
    got: printed.join('\n') || 'nothing on standard error',
  });
}
