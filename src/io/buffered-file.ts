import { closeSync, openSync } from 'node:fs';
import { ioError, writeAll } from './atomic.ts';

const BUFFER_BYTES = 2 ** 20;

/** A new file written through a buffer of a megabyte. It is not atomic: for files that something else vouches for. */
export class BufferedFile {
  /** Bytes written so far, those in the buffer left out. */
  bytes = 0;
  readonly #path: string;
  readonly #what: string;
  readonly #fd: number;
  #pending: (string | Uint8Array)[] = [];
  #pendingSize = 0;

  /** @param what is written, for errors: `the rows`. */
  constructor(path: string, what: string) {
    this.#path = path;
    this.#what = what;
    this.#fd = this.#guard(() => openSync(path, 'w'));
  }

  /** @throws LlmkitError('io') when the disk takes no more. */
  write(chunk: string | Uint8Array): void {
    this.#pending.push(chunk);
    this.#pendingSize += chunk.length;
    if (this.#pendingSize >= BUFFER_BYTES) this.#flush();
  }

  finish(): void {
    this.#flush();
    closeSync(this.#fd);
  }

  /** Closes the file as it is, after an error. */
  abort(): void {
    closeSync(this.#fd);
  }

  #flush(): void {
    const pending = this.#pending;
    const text = pending.every((chunk) => typeof chunk === 'string');
    const bytes = text ? Buffer.from(pending.join(''), 'utf8') : Buffer.concat(pending.map(bytesOf));
    this.#pending = [];
    this.#pendingSize = 0;
    this.bytes += bytes.length;
    this.#guard(() => writeAll(this.#fd, bytes));
  }

  #guard<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw ioError(error, `cannot write ${this.#what}`, this.#path);
    }
  }
}

function bytesOf(chunk: string | Uint8Array): Uint8Array {
  return typeof chunk === 'string' ? Buffer.from(chunk, 'utf8') : chunk;
}
