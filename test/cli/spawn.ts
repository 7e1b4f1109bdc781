import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface Ran {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

const root = new URL('../../', import.meta.url);

/** Runs a built script with node; `during` may act on the process once it has started. */
export function runNode(
  script: string,
  args: string[],
  during?: (child: ChildProcess) => void,
  env: NodeJS.ProcessEnv = {},
): Promise<Ran> {
  const { NO_COLOR: _no, FORCE_COLOR: _force, ...clean } = process.env;
  const child = spawn(process.execPath, [fileURLToPath(new URL(script, root)), ...args], {
    cwd: fileURLToPath(root),
    env: { ...clean, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ran: Ran = { code: null, signal: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (ran.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (ran.stderr += text));
  during?.(child);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ ...ran, code, signal }));
  });
}

export const llmkit = (...args: string[]): Promise<Ran> => runNode('bin/llmkit.js', args);
