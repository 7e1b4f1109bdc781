import { freemem, totalmem } from 'node:os';

/** Bytes that this process may use in all: the machine's, or the container's limit where there is one. */
export function memoryLimit(): number {
  const limit = process.constrainedMemory();
  return limit > 0 && limit < totalmem() ? limit : totalmem();
}

/** Bytes free for this process: within the container's limit, and counting the caches that Linux can drop. */
export function availableMemory(): number {
  // Node 21 has no such function.
  const available = (process as { availableMemory?: () => number }).availableMemory?.() ?? freemem();
  return Math.min(available, memoryLimit());
}
