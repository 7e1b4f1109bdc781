import { closeSync, openSync, readSync } from 'node:fs';
import { ioError } from './atomic.ts';

const CHUNK_BYTES = 2 ** 20;

/**
 * The bytes of a file from `start` to `end` (exclusive), in order. Every chunk is the same memory: it is overwritten when
 * the next one is asked for.
 *
 * @throws LlmkitError('io') when the file cannot be read.
 */
export function* readChunks(path: string, start = 0, end = Number.POSITIVE_INFINITY): Generator<Buffer> {
  const fd = openForReading(path);
  try {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, Math.max(1, end - start)));
    let position = start;
    while (position < end) {
      const read = readAt(fd, chunk, Math.min(chunk.length, end - position), position, path);
      if (read === 0) return;
      yield chunk.subarray(0, read);
      position += read;
    }
  } finally {
    closeSync(fd);
  }
}

/** Up to `bytes` bytes of a file from `start` on. */
export function readBytes(path: string, start: number, bytes: number): Buffer {
  const fd = openForReading(path);
  try {
    const buffer = Buffer.alloc(bytes);
    return buffer.subarray(0, readAt(fd, buffer, bytes, start, path));
  } finally {
    closeSync(fd);
  }
}

function openForReading(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw ioError(error, `cannot open ${path}`, path);
  }
}

function readAt(fd: number, into: Buffer, bytes: number, position: number, path: string): number {
  try {
    return readSync(fd, into, 0, bytes, position);
  } catch (error) {
    throw ioError(error, `cannot read ${path}`, path);
  }
}
