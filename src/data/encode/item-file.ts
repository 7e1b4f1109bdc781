import { closeSync, openSync, readFileSync } from 'node:fs';
import { ioError, writeAll } from '../../io/atomic.ts';
import type { Encoded, Item, PreparedKind } from '../types.ts';
import { sequencesOf } from './overlength.ts';

const BUFFER_BYTES = 2 ** 20;

/**
 * Encoded examples in a file, between two stages: each sequence as [n, tokens, targets in bytes, padded to four], of a
 * pair the chosen one first.
 */
export class ItemWriter {
  items = 0;
  readonly #path: string;
  readonly #fd: number;
  #pending: Uint8Array[] = [];
  #bytes = 0;

  constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, 'w');
  }

  add(item: Item): void {
    for (const { inputIds, isTarget } of sequencesOf(item)) {
      const n = inputIds.length;
      const record = new Int32Array(1 + n + Math.ceil(n / 4));
      record[0] = n;
      record.set(inputIds, 1);
      const bytes = new Uint8Array(record.buffer);
      bytes.set(isTarget, 4 * (1 + n));
      this.#pending.push(bytes);
      this.#bytes += bytes.length;
    }
    this.items++;
    if (this.#bytes >= BUFFER_BYTES) this.#flush();
  }

  finish(): void {
    this.#flush();
    closeSync(this.#fd);
  }

  abort(): void {
    closeSync(this.#fd);
  }

  #flush(): void {
    const bytes = Buffer.concat(this.#pending);
    this.#pending = [];
    this.#bytes = 0;
    try {
      writeAll(this.#fd, bytes);
    } catch (error) {
      throw ioError(error, 'cannot write the encoded rows', this.#path);
    }
  }
}

/** The items of an ItemWriter, of this kind; they have no names any more. */
export function* readItems(path: string, kind: PreparedKind): Generator<Item> {
  const sequences = readSequences(path);
  if (kind === 'packed') {
    yield* sequences;
    return;
  }
  for (let first = sequences.next(); first.done !== true; first = sequences.next()) {
    yield { id: '', chosen: first.value, rejected: sequences.next().value as Encoded };
  }
}

function* readSequences(path: string): Generator<Encoded, undefined> {
  const words = new Int32Array(new Uint8Array(readFileSync(path)).buffer);
  for (let at = 0; at < words.length;) {
    const n = words[at]!;
    const inputIds = words.slice(at + 1, at + 1 + n);
    const isTarget = new Uint8Array(words.buffer, 4 * (at + 1 + n), n).slice();
    yield { id: '', inputIds, isTarget };
    at += 1 + n + Math.ceil(n / 4);
  }
  return undefined;
}
