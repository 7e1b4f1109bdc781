import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { LlmkitError } from '../../../core/errors.ts';
import { formatBytes } from '../../../core/format.ts';
import { PEAK_BYTES, type SetupContext } from './context.ts';

export interface ToolResult {
  code: number;
  /** The last lines of both streams together. */
  output: string;
}

const KEPT_LINES = 40;

/**
 * Runs a program to its end. Its output is kept in part, not shown.
 * Throws `interrupted` when `signal` aborts (the child is killed), `environment` when the program cannot be started.
 */
export function runTool(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; signal?: AbortSignal | undefined } = {},
): Promise<ToolResult> {
  const { signal, ...rest } = options;
  return new Promise((resolve, reject) => {
    const lines: string[] = [];
    const keep = (chunk: Buffer): void => {
      lines.push(...chunk.toString().split('\n').filter(Boolean));
      lines.splice(0, lines.length - KEPT_LINES);
    };
    const child = spawn(command, args, {
      ...rest,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(signal === undefined ? {} : { signal }),
    });
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (cause) => {
      if (signal?.aborted === true)
        reject(new LlmkitError('interrupted', 'setup was interrupted; nothing was changed', { cause }));
      else reject(new LlmkitError('environment', `${command} cannot be started`, { got: cause.message, cause }));
    });
    child.on('close', (code, killedBy) => {
      if (signal?.aborted === true) return;
      resolve({
        code: code ?? 1,
        output: [...lines, ...(killedBy === null ? [] : [`killed by ${killedBy}`])].join('\n'),
      });
    });
  });
}

/** Full path of a program on PATH, or undefined. */
export function findProgram(
  names: readonly string[],
  environment: NodeJS.ProcessEnv = process.env,
): string | undefined {
  for (const name of names) {
    for (const directory of (environment['PATH'] ?? '').split(delimiter)) {
      const path = name.includes('/') ? name : join(directory, name);
      if (directory !== '' && isExecutable(path)) return path;
    }
  }
  return undefined;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== undefined) return false;
    throw error;
  }
}

/** A C++ compiler: $CXX, c++, g++ or clang++. */
export function findCompiler(): string | undefined {
  const asked = process.env['CXX'];
  return findProgram(asked ? [asked] : ['c++', 'g++', 'clang++']);
}

/** A Python that has pip. `python` alone tells that Python is there and pip is not. */
export async function findPip(signal?: AbortSignal): Promise<{ python?: string; pip?: string }> {
  let python: string | undefined;
  for (const name of ['python3', 'python']) {
    const path = findProgram([name]);
    if (path === undefined) continue;
    const { code } = await runTool(path, ['-m', 'pip', '--version'], { signal });
    if (code === 0) return { python: path, pip: path };
    python ??= path;
  }
  return python === undefined ? {} : { python };
}

/** The error for a failed download or unpacking: names the disk or the network where the output shows that it was those. */
export function toolError({ variant }: SetupContext, what: string, output: string, hint: string): LlmkitError {
  const lines = output.split('\n');
  const errors = lines.filter((line) => /^ERROR|error:|Error:/.test(line));
  const last = (errors.length > 0 ? errors.slice(0, 5) : lines.slice(-3)).join('\n');
  if (/No space left on device|ENOSPC|Disk quota exceeded/i.test(output)) {
    return new LlmkitError('environment', `${what}: the disk is full`, {
      got: last,
      hint: `free ${formatBytes(PEAK_BYTES[variant])}, or point LLMKIT_CACHE_DIR at another disk`,
    });
  }
  if (
    /Name or service not known|Temporary failure in name resolution|ConnectionError|NewConnectionError|Max retries|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|timed out|ProxyError|SSLError|CERTIFICATE_VERIFY_FAILED/i.test(
      output,
    )
  ) {
    return new LlmkitError('environment', `${what}: the network or the package index does not answer`, {
      got: last,
      hint,
    });
  }
  return new LlmkitError('environment', what, { got: last, hint });
}
