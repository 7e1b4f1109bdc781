import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { LlmkitError } from '../../../core/errors.ts';

const POLL_MS = 500;

/**
 * Runs `work` while no other process on this machine holds the same lock; `waiting` is called once if it must wait.
 * The lock is a Linux abstract socket: the kernel frees it when its process ends, so a killed setup leaves no stale lock.
 */
export async function withLock<T>(
  name: string,
  waiting: () => void,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const address = `\0llmkit-${process.getuid?.() ?? 0}-${createHash('sha256').update(name).digest('hex').slice(0, 32)}`;
  let server = await tryListen(address);
  if (server === undefined) waiting();
  while (server === undefined) {
    if (signal?.aborted === true)
      throw new LlmkitError('interrupted', 'setup was interrupted while another one was running');
    await sleep(POLL_MS);
    server = await tryListen(address);
  }
  try {
    return await work();
  } finally {
    server.close();
  }
}

function tryListen(address: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(address, () => resolve(server.unref()));
  });
}
