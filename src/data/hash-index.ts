import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ioError, writeAll } from '../io/atomic.ts';
import type { Example } from './types.ts';

const BUCKETS = 64;
const HASH_BYTES = 16;
/** A hash and a row number. */
const ENTRY_BYTES = HASH_BYTES + 4;
const BUFFER_ENTRIES = 512;

/**
 * The hash that dedup and split share: 128 bits of sha256 over the seed and the cleaned example, so that equal rows are
 * equal, and the order of the hashes is a shuffle that the seed and the rows alone decide.
 */
export function hashExample(example: Example, seed: number): Buffer {
  return createHash('sha256')
    .update(`${seed}\n${JSON.stringify(example)}`)
    .digest()
    .subarray(0, HASH_BYTES);
}

/** Rows of one hash, by number, in the order they were added. */
export interface HashGroup {
  hash: Buffer;
  rows: number[];
}

/**
 * The hashes of all rows, in files by their first bits: groups of equal hashes come out in the order of the hashes with
 * one 64th of them in memory at a time.
 */
export class HashIndex {
  readonly #dir: string;
  readonly #buckets: { fd: number; buffer: Buffer; used: number }[] = [];
  #rows = 0;

  /** @param dir a new folder for the files. */
  constructor(dir: string) {
    this.#dir = dir;
    mkdirSync(dir);
    for (let i = 0; i < BUCKETS; i++) {
      const fd = openSync(this.#path(i), 'wx');
      this.#buckets.push({ fd, buffer: Buffer.alloc(BUFFER_ENTRIES * ENTRY_BYTES), used: 0 });
    }
  }

  get numRows(): number {
    return this.#rows;
  }

  /** Adds the next row; rows are numbered from 0 in the order they are added. */
  add(hash: Buffer): void {
    const bucket = this.#buckets[hash[0]! >>> 2]!;
    hash.copy(bucket.buffer, bucket.used);
    bucket.buffer.writeUInt32LE(this.#rows, bucket.used + HASH_BYTES);
    bucket.used += ENTRY_BYTES;
    this.#rows++;
    if (bucket.used === bucket.buffer.length) this.#flush(bucket);
  }

  /** Ends adding; call it once, also after an error. */
  close(): void {
    for (const bucket of this.#buckets) {
      try {
        this.#flush(bucket);
      } finally {
        closeSync(bucket.fd);
      }
    }
  }

  *groups(): Generator<HashGroup> {
    for (let i = 0; i < BUCKETS; i++) yield* groupsOf(readFileSync(this.#path(i)));
  }

  #flush(bucket: { fd: number; buffer: Buffer; used: number }): void {
    const { used } = bucket;
    bucket.used = 0;
    try {
      writeAll(bucket.fd, bucket.buffer.subarray(0, used));
    } catch (error) {
      throw ioError(error, `cannot write ${this.#dir}`, this.#dir);
    }
  }

  #path(bucket: number): string {
    return join(this.#dir, `${String(bucket).padStart(2, '0')}.hashes`);
  }
}

function* groupsOf(bytes: Buffer): Generator<HashGroup> {
  const count = bytes.length / ENTRY_BYTES;
  const hashAt = (entry: number) => bytes.subarray(entry * ENTRY_BYTES, entry * ENTRY_BYTES + HASH_BYTES);
  const rowAt = (entry: number) => bytes.readUInt32LE(entry * ENTRY_BYTES + HASH_BYTES);
  const order = Uint32Array.from({ length: count }, (_, entry) => entry).sort(
    (a, b) => Buffer.compare(hashAt(a), hashAt(b)) || a - b,
  );
  let group: HashGroup | undefined;
  for (const entry of order) {
    const hash = hashAt(entry);
    if (group !== undefined && group.hash.equals(hash)) {
      group.rows.push(rowAt(entry));
      continue;
    }
    if (group !== undefined) yield group;
    group = { hash, rows: [rowAt(entry)] };
  }
  if (group !== undefined) yield group;
}
