import { readFileSync } from 'node:fs';
import { BufferedFile } from '../../io/buffered-file.ts';
import type { Encoded, Item, PreparedKind } from '../types.ts';
import { sequencesOf } from './overlength.ts';

/**
 * Encoded examples in a file, between two stages: each sequence as [n, tokens, targets in bytes, padded to four], of a
 * pair the chosen one first.
 */
export class ItemWriter {
  items = 0;
  readonly #file: BufferedFile;

  constructor(path: string) {
    this.#file = new BufferedFile(path, 'the encoded rows');
  }

  add(item: Item): void {
    for (const { inputIds, isTarget } of sequencesOf(item)) {
      const n = inputIds.length;
      const record = new Int32Array(1 + n + Math.ceil(n / 4));
      record[0] = n;
      record.set(inputIds, 1);
      const bytes = new Uint8Array(record.buffer);
      bytes.set(isTarget, 4 * (1 + n));
      this.#file.write(bytes);
    }
    this.items++;
  }

  finish(): void {
    this.#file.finish();
  }

  abort(): void {
    this.#file.abort();
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
