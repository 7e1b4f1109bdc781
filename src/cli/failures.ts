import { LlmkitError, LlmkitErrors, type ErrorRecord } from '../core/errors.ts';
import type { Paint } from './paint.ts';

/** An error as plain data: it crosses the worker boundary and goes into `--json`. */
export interface Failure extends ErrorRecord {
  errors?: ErrorRecord[];
}

const ioHints: Record<string, string> = {
  ENOSPC: 'the disk is full: free some space, or point output_dir at another disk; nothing that was finished is lost',
  EDQUOT: 'the disk quota is used up: free some space, or point output_dir elsewhere',
  EACCES: 'check who owns the path and its permissions',
  EPERM: 'check who owns the path and its permissions',
  EROFS: 'the file system is read-only: point output_dir elsewhere',
  EMFILE: 'too many files are open: raise the limit with ulimit -n',
};

/** Any thrown thing as a failure. What is no LlmkitError and no error of the file system is a bug. */
export function failureOf(error: unknown): Failure {
  if (error instanceof LlmkitErrors || error instanceof LlmkitError) return withCause(error.toJSON(), error.cause);
  if (!(error instanceof Error))
    return { kind: 'bug', message: `something that is no error was thrown: ${String(error)}` };
  const stack = error.stack === undefined ? {} : { stack: error.stack };
  const system = error as NodeJS.ErrnoException;
  if (system.code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return {
      kind: 'environment',
      message: 'JavaScript ran out of memory',
      hint: 'NODE_OPTIONS=--max-old-space-size=8192 gives it 8 GB',
      ...stack,
    };
  }
  if (system.syscall !== undefined && system.code !== undefined) {
    const hint = ioHints[system.code];
    const record: Failure = { kind: 'io', message: `cannot ${system.syscall}: ${reason(system)}`, ...stack };
    if (system.path !== undefined) record.where = system.path;
    if (hint !== undefined) record.hint = hint;
    return record;
  }
  return withCause({ kind: 'bug', message: `${error.name}: ${error.message}`, ...stack }, error.cause);
}

/** `ENOSPC: no space left on device, write` without the call and the path, which are told apart. */
function reason(error: NodeJS.ErrnoException): string {
  return error.message.replace(/^\w+: /, '').replace(/, \w+(\s.*)?$/, '') + ` (${error.code})`;
}

function withCause(record: Failure, cause: unknown): Failure {
  if (!(cause instanceof Error) || record.stack === undefined) return record;
  return { ...record, stack: `${record.stack}\ncaused by ${cause.stack ?? cause.message}` };
}

/** What a person reads: what, where, expected and got, hint; the stack only when asked for. */
export function renderFailure(failure: Failure, paint: Paint, verbose: boolean): string[] {
  const lines: string[] = [];
  const parts = failure.errors ?? [failure];
  for (const part of parts) lines.push(...renderOne(part, paint));
  if (parts.length > 1) lines.push(`${paint.red('error:')} ${failure.message}`);
  if (failure.kind === 'bug')
    lines.push('  this is a bug in llmkit, not in your files: please report it with the output of --verbose');
  if (verbose) for (const part of parts) if (part.stack !== undefined) lines.push(paint.dim(part.stack));
  return lines;
}

function renderOne(record: ErrorRecord, paint: Paint): string[] {
  const name = record.kind === 'interrupted' ? paint.yellow('interrupted:') : paint.red('error:');
  const lines = [`${name} ${record.message}`];
  if (record.where !== undefined) lines.push(`  at ${record.where}`);
  if (record.expected !== undefined && record.got !== undefined)
    lines.push(`  expected ${record.expected}, got ${record.got}`);
  else if (record.expected !== undefined) lines.push(`  expected ${record.expected}`);
  else if (record.got !== undefined) lines.push(`  got ${record.got}`);
  if (record.hint !== undefined) lines.push(`  ${paint.cyan('hint:')} ${record.hint}`);
  return lines;
}

/** The failure as `--json` prints it: stacks only where they help. */
export function failureJson(failure: Failure, verbose: boolean): Failure {
  const strip = <T extends ErrorRecord>({ stack, ...rest }: T): Omit<T, 'stack'> & { stack?: string } =>
    stack !== undefined && (verbose || failure.kind === 'bug') ? { ...rest, stack } : rest;
  const { errors, ...own } = failure;
  return errors === undefined ? strip(own) : { ...strip(own), errors: errors.map(strip) };
}
