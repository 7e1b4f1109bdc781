import { LlmkitError } from '../core/errors.ts';
import { BYTE, StringEnds } from './json-bytes.ts';
import { refuseOtherEncodings } from './lines.ts';
import type { Chunks } from './records.ts';

/** How a .json file keeps its rows: an array; an object with an array under `key`; one object; an object a line. */
export type JsonShape = { kind: 'array' } | { kind: 'object'; key: string } | { kind: 'one' } | { kind: 'lines' };

/** What a row may hold a list of objects under: an object with such a list alone is a row, not a table. */
const LISTS_OF_A_ROW = new Set(['messages', 'conversations', 'conversation', 'prompt', 'chosen', 'rejected', 'tools']);

/**
 * Finds out how a .json file keeps its rows. An object is followed to its end, since only what comes after it tells one
 * object from an object a line.
 *
 * @throws LlmkitError('data') when an object holds several arrays of objects.
 */
export async function jsonShapeOf(chunks: Chunks, name: string): Promise<JsonShape> {
  const outline = new Outline();
  for await (const chunk of chunks) {
    if (outline.atStart) refuseOtherEncodings(chunk, name);
    if (outline.push(chunk)) break;
  }
  if (outline.first === BYTE.OPEN_BRACKET) return { kind: 'array' };
  if (outline.first !== BYTE.OPEN_BRACE || outline.followed) return { kind: 'lines' };
  const keys = outline.tables.filter((key) => !LISTS_OF_A_ROW.has(key));
  if (keys.length === 1) return { kind: 'object', key: keys[0]! };
  // An object that never ends is told best by the reader that says on which line it breaks.
  if (keys.length === 0) return outline.closed ? { kind: 'one' } : { kind: 'lines' };
  throw new LlmkitError('data', `${name} holds several arrays of objects`, {
    where: name,
    expected: 'one array of rows',
    got: `arrays under ${keys.join(', ')}`,
    hint: `take one out: jq -c '.${keys[0]}[]' ${name} > ${keys[0]}.jsonl`,
  });
}

/** The keys of a top-level object under which arrays of objects are, and whether something follows the object. */
class Outline {
  /** The first byte that is no white space. */
  first = 0;
  closed = false;
  followed = false;
  atStart = true;
  readonly tables: string[] = [];
  readonly #strings = new StringEnds();
  #depth = 0;
  #inString = false;
  readonly #key = new KeyBytes();
  /** The last byte outside strings that is no white space. */
  #previous = 0;

  /** @returns true when nothing more is to be found out. */
  push(chunk: Buffer): boolean {
    this.atStart = false;
    for (let i = 0; i < chunk.length; i++) {
      if (this.#inString) {
        const quote = this.#strings.find(chunk, i);
        const end = quote < 0 ? chunk.length : quote;
        if (this.#depth === 1) this.#key.add(chunk.subarray(i, end));
        if (quote < 0) return false;
        this.#inString = false;
        i = quote;
        continue;
      }
      const byte = chunk[i]!;
      if (byte > BYTE.SPACE && !(this.first === 0 && isMark(byte)) && this.#structure(byte)) return true;
    }
    return false;
  }

  #structure(byte: number): boolean {
    if (this.closed) return (this.followed = true);
    if (this.first === 0) {
      this.first = byte;
      if (byte !== BYTE.OPEN_BRACE) return true;
    }
    if (byte === BYTE.QUOTE) {
      this.#inString = true;
      if (this.#depth === 1 && this.#previous !== BYTE.COLON) this.#key.clear();
    } else if (byte === BYTE.OPEN_BRACE || byte === BYTE.OPEN_BRACKET) {
      const table = this.#depth === 2 && byte === BYTE.OPEN_BRACE && this.#previous === BYTE.OPEN_BRACKET;
      if (table) this.tables.push(this.#key.text());
      this.#depth++;
    } else if (byte === BYTE.CLOSE_BRACE || byte === BYTE.CLOSE_BRACKET) {
      this.#depth--;
      this.closed = this.#depth === 0;
    }
    this.#previous = byte;
    return false;
  }
}

/** Whether a byte is one of a byte-order mark: none of them can begin a JSON document otherwise. */
export function isMark(byte: number): boolean {
  return byte === 0xef || byte === 0xbb || byte === 0xbf;
}

/** No key of a table is longer. */
const MAX_KEY_BYTES = 1024;

/** A key as it is written, escapes and all; it may come in several chunks. */
export class KeyBytes {
  #pieces: Buffer[] = [];
  #bytes = 0;

  clear(): void {
    this.#pieces = [];
    this.#bytes = 0;
  }

  add(piece: Buffer): void {
    if (this.#bytes > MAX_KEY_BYTES) return;
    this.#bytes += piece.length;
    this.#pieces.push(Buffer.from(piece.subarray(0, MAX_KEY_BYTES)));
  }

  text(): string {
    return Buffer.concat(this.#pieces).toString('utf8');
  }
}
