import { closeSync, openSync } from 'node:fs';
import { LlmkitError } from '../core/errors.ts';
import { ioError, writeAll } from '../io/atomic.ts';
import { readLines } from '../io/lines.ts';
import type { Row } from './types.ts';

const BUFFER_BYTES = 2 ** 20;

/** Rows between two stages, on disk: one JSON object a line, so that memory does not grow with the data. */
export class RowWriter {
  readonly #path: string;
  readonly #fd: number;
  #pending: string[] = [];
  #pendingBytes = 0;

  constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, 'wx');
  }

  append(row: Row): void {
    const line = `${JSON.stringify(row)}\n`;
    this.#pending.push(line);
    this.#pendingBytes += line.length;
    if (this.#pendingBytes >= BUFFER_BYTES) this.#flush();
  }

  close(): void {
    try {
      this.#flush();
    } finally {
      closeSync(this.#fd);
    }
  }

  #flush(): void {
    try {
      writeAll(this.#fd, Buffer.from(this.#pending.join(''), 'utf8'));
    } catch (error) {
      throw ioError(error, `cannot write ${this.#path}`, this.#path);
    }
    this.#pending = [];
    this.#pendingBytes = 0;
  }
}

/** The rows that a RowWriter wrote, in order. */
export function* readRows(path: string): Generator<Row> {
  for (const item of readLines(path, { maxBytes: Number.POSITIVE_INFINITY })) {
    if ('error' in item)
      throw new LlmkitError('bug', 'a row changed between two stages', { where: path, cause: item.error });
    yield JSON.parse(item.text) as Row;
  }
}
