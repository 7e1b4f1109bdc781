import { isUtf8 } from 'node:buffer';
import { LlmkitError } from '../core/errors.ts';
import { formatBytes } from '../core/format.ts';
import { BYTE, StringEnds } from './json-bytes.ts';
import { notJson } from './json-lines.ts';
import { isMark, KeyBytes } from './json-shape.ts';
import { excerpt, type LineOptions, MAX_BYTES, notUtf8, refuseOtherEncodings } from './lines.ts';
import type { ChunkParser, RawRecord } from './records.ts';

/**
 * The rows of a JSON document: the objects of its top-level array, or of the array under one key of a top-level object.
 * Only one row is in memory: its text is found by its brackets and given to JSON.parse.
 *
 * @throws LlmkitError('data') when the document ends early, or goes on after its end.
 */
export class JsonRows implements ChunkParser {
  readonly #name: string;
  readonly #maxBytes: number;
  readonly #key: string | undefined;
  /** Brackets open around a row. */
  readonly #rowDepth: number;
  readonly #strings = new StringEnds();
  readonly #lastKey = new KeyBytes();
  #state: 'before' | 'first' | 'next' | 'row' | 'after' = 'before';
  #depth = 0;
  #inString = false;
  /** The last byte outside strings that is no white space. */
  #previous = 0;
  #row = 0;
  /** The line on which the row begins, and its column in bytes, both from 1. */
  #rowLine = 1;
  #rowColumn = 1;
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** Of the bytes pushed so far: how many, their lines, and where the last one begins. */
  #offset = 0;
  #line = 1;
  #lineStart = 0;

  constructor(key: string | undefined, options: LineOptions & { name: string }) {
    this.#key = key;
    this.#rowDepth = key === undefined ? 1 : 2;
    this.#name = options.name;
    this.#maxBytes = options.maxBytes ?? MAX_BYTES;
  }

  *push(chunk: Buffer): Generator<RawRecord> {
    if (this.#offset === 0) refuseOtherEncodings(chunk, this.#name);
    let rowStart = 0;
    for (let i = 0; i < chunk.length; i++) {
      if (this.#inString) {
        const quote = this.#strings.find(chunk, i);
        const end = quote < 0 ? chunk.length : quote;
        if (this.#state === 'before' && this.#depth === 1) this.#lastKey.add(chunk.subarray(i, end));
        this.#inString = quote < 0;
        i = end;
        continue;
      }
      const byte = chunk[i]!;
      if (byte <= BYTE.SPACE) {
        if (byte === BYTE.LF) {
          this.#line++;
          this.#lineStart = this.#offset + i + 1;
        }
        continue;
      }
      if (this.#depth === 0 && isMark(byte)) continue;
      if (this.#state === 'next' || (this.#state === 'first' && byte !== BYTE.CLOSE_BRACKET)) {
        rowStart = i;
        this.#state = 'row';
        this.#row++;
        this.#rowLine = this.#line;
        this.#rowColumn = this.#offset + i - this.#lineStart + 1;
      }
      const between = byte === BYTE.COMMA || byte === BYTE.CLOSE_BRACKET;
      if (between && this.#state === 'row' && this.#depth === this.#rowDepth) {
        yield this.#takeRow(chunk.subarray(rowStart, i));
        this.#state = byte === BYTE.COMMA ? 'next' : 'after';
      }
      this.#follow(byte);
    }
    if (this.#state === 'row') this.#hold(chunk.subarray(rowStart));
    this.#offset += chunk.length;
  }

  end(): RawRecord[] {
    if (this.#state === 'after' && this.#depth === 0) return [];
    const inRow = this.#state === 'row';
    throw new LlmkitError('data', `${this.#name} ends ${inRow ? `inside row ${this.#row}` : 'too early'}`, {
      where: inRow ? `${this.#name}:${this.#rowLine}:${this.#rowColumn}` : `${this.#name}:${this.#line}`,
      expected: 'every bracket and quote closed',
      hint: 'copy or download the file again, or look for a quote that is not closed',
    });
  }

  /** Keeps count of strings and brackets, and sees where the array of rows begins. */
  #follow(byte: number): void {
    if (this.#state === 'after' && this.#depth === 0) {
      throw new LlmkitError('data', `${this.#name} goes on after its end`, {
        where: `${this.#name}:${this.#line}`,
        expected: 'one JSON document',
        hint: 'is it JSON lines? then say format: jsonl',
      });
    }
    if (byte === BYTE.QUOTE) {
      this.#inString = true;
      if (this.#depth === 1 && this.#previous !== BYTE.COLON) this.#lastKey.clear();
    } else if (byte === BYTE.OPEN_BRACE || byte === BYTE.OPEN_BRACKET) {
      this.#depth++;
      const array = this.#state === 'before' && byte === BYTE.OPEN_BRACKET && this.#depth === this.#rowDepth;
      if (array && (this.#key === undefined || this.#lastKey.text() === this.#key)) this.#state = 'first';
    } else if (byte === BYTE.CLOSE_BRACE || byte === BYTE.CLOSE_BRACKET) {
      this.#depth--;
      if (this.#state === 'first') this.#state = 'after';
    }
    this.#previous = byte;
  }

  /** Beyond the limit nothing is kept but the count. */
  #hold(piece: Buffer): void {
    this.#heldBytes += piece.length;
    if (this.#heldBytes > this.#maxBytes) this.#held = [];
    else this.#held.push(Buffer.from(piece));
  }

  #takeRow(last: Buffer): RawRecord {
    const row = this.#row;
    const length = this.#heldBytes + last.length;
    const bytes = this.#heldBytes === 0 ? last : Buffer.concat([...this.#held, last]);
    this.#held = [];
    this.#heldBytes = 0;
    const value = this.#parse(bytes, length, `row ${row}`);
    const where = `${this.#name} row ${row}`;
    return value instanceof LlmkitError ? { where, row, error: value } : { where, row, value };
  }

  #parse(bytes: Buffer, length: number, what: string): unknown {
    const where = `${this.#name}:${this.#rowLine}:${this.#rowColumn}`;
    if (length > this.#maxBytes) return tooLong(what, length, this.#maxBytes, where);
    if (!isUtf8(bytes)) return notUtf8(bytes, what, where);
    return objectOf(bytes.toString('utf8').trimEnd(), what, (text, at) => {
      const before = text.slice(0, at);
      const lines = before.split('\n').length - 1;
      const column = lines === 0 ? this.#rowColumn + at : at - before.lastIndexOf('\n');
      return `${this.#name}:${this.#rowLine + lines}:${column}`;
    });
  }
}

/** A JSON document that is one row. */
export class JsonDocument implements ChunkParser {
  readonly #name: string;
  readonly #maxBytes: number;
  #held: Buffer[] = [];
  #bytes = 0;

  constructor(options: LineOptions & { name: string }) {
    this.#name = options.name;
    this.#maxBytes = options.maxBytes ?? MAX_BYTES;
  }

  push(chunk: Buffer): RawRecord[] {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#maxBytes) this.#held = [];
    else this.#held.push(Buffer.from(chunk));
    return [];
  }

  end(): RawRecord[] {
    const value = this.#parse(Buffer.concat(this.#held));
    const place = { where: this.#name, row: 1 };
    return [value instanceof LlmkitError ? { ...place, error: value } : { ...place, value }];
  }

  #parse(bytes: Buffer): unknown {
    if (this.#bytes > this.#maxBytes) return tooLong('the document', this.#bytes, this.#maxBytes, this.#name);
    if (!isUtf8(bytes)) return notUtf8(bytes, 'the document', this.#name);
    return objectOf(bytes.toString('utf8').replace(/^\ufeff/, ''), 'the document', (text, at) => {
      const before = text.slice(0, at);
      return `${this.#name}:${before.split('\n').length}:${at - before.lastIndexOf('\n')}`;
    });
  }
}

/** The object that a text says, or what is wrong with it. */
function objectOf(text: string, what: string, whereOf: (text: string, offset: number) => string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return notJson(text, what, (at) => whereOf(text, at), error);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  const details = { where: whereOf(text, 0), expected: '{"column": value, ...}', got: excerpt(text, 0) };
  return new LlmkitError('data', `${what} is not a JSON object`, details);
}

function tooLong(what: string, bytes: number, maxBytes: number, where: string): LlmkitError {
  const expected = `at most ${formatBytes(maxBytes)}`;
  return new LlmkitError('data', `${what} is ${formatBytes(bytes)} long`, { where, expected });
}
