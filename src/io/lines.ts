import { isAscii, isUtf8 } from 'node:buffer';
import { LlmkitError } from '../core/errors.ts';
import { formatBytes } from '../core/format.ts';
import { readChunks } from './bytes.ts';

export interface LineOptions {
  /** The name of the file in messages; its path unless given. */
  name?: string;
  /** A longer line, or a longer document, is an error; it bounds the memory. */
  maxBytes?: number;
}

export type Line = { line: number; text: string } | { line: number; error: LlmkitError };

/** The longest line or document. */
export const MAX_BYTES = 64 * 2 ** 20;
const LF = 10;
const CR = 13;
/** How much of a file is looked at for signs that it is not text. */
const LOOK_BYTES = 4096;

/**
 * The lines of a UTF-8 file, numbered from 1, without their LF or CRLF; a byte-order mark is dropped. A line that is
 * not UTF-8 or is too long comes as an error that says where, and the next one follows. One chunk is in memory.
 *
 * @throws LlmkitError('io') when the file cannot be read; ('data') when it is UTF-16.
 */
export function* readLines(path: string, options: LineOptions = {}): Generator<Line> {
  const splitter = new LineSplitter({ name: path, ...options });
  for (const chunk of readChunks(path)) yield* splitter.push(chunk);
  yield* splitter.end();
}

/** Cuts chunks of UTF-8 into lines, as `readLines` does. */
export class LineSplitter {
  readonly #name: string;
  readonly #maxBytes: number;
  /** The number of the line that comes next. */
  #line: number;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #looked = false;

  /** @param options.firstLine the number of the first line, where chunks begin inside a file. */
  constructor(options: LineOptions & { name: string; firstLine?: number }) {
    this.#name = options.name;
    this.#maxBytes = options.maxBytes ?? MAX_BYTES;
    this.#line = options.firstLine ?? 1;
  }

  *push(chunk: Buffer): Generator<Line> {
    if (!this.#looked) refuseOtherEncodings(chunk, this.#name);
    this.#looked = true;
    let start = 0;
    let end = chunk.indexOf(LF);
    if (end < 0) return this.#hold(chunk);
    if (this.#heldBytes > 0) {
      this.#hold(chunk.subarray(0, end));
      yield this.#takeHeld();
      start = end + 1;
      end = chunk.indexOf(LF, start);
    }
    // All lines of the chunk are checked at once: a line end is never part of a longer character.
    const whole = chunk.subarray(start, chunk.lastIndexOf(LF) + 1);
    const encoding = isAscii(whole) ? 'latin1' : isUtf8(whole) ? 'utf8' : undefined;
    for (; end >= 0; end = chunk.indexOf(LF, start)) {
      yield this.#decode(chunk, start, end, encoding);
      start = end + 1;
    }
    this.#hold(chunk.subarray(start));
  }

  *end(): Generator<Line> {
    if (this.#heldBytes > 0) yield this.#takeHeld();
  }

  /** Beyond the limit nothing is kept but the count. */
  #hold(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#heldBytes += piece.length;
    if (this.#heldBytes > this.#maxBytes) this.#held = [];
    else this.#held.push(Buffer.from(piece));
  }

  #takeHeld(): Line {
    const bytes = this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held);
    const heldBytes = this.#heldBytes;
    this.#held = [];
    this.#heldBytes = 0;
    if (heldBytes > this.#maxBytes) return this.#tooLong(heldBytes);
    return this.#decode(bytes, 0, bytes.length, isUtf8(bytes) ? 'utf8' : undefined);
  }

  /** @param encoding undefined when the bytes around are not all UTF-8. */
  #decode(bytes: Buffer, from: number, to: number, encoding: 'latin1' | 'utf8' | undefined): Line {
    let start = from;
    let end = to;
    if (end - start > this.#maxBytes) return this.#tooLong(end - start);
    const line = this.#line++;
    if (line === 1 && bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf) start += 3;
    if (end > start && bytes[end - 1] === CR) end--;
    if (encoding !== undefined) return { line, text: bytes.toString(encoding, start, end) };
    const content = bytes.subarray(start, end);
    if (isUtf8(content)) return { line, text: content.toString('utf8') };
    return { line, error: notUtf8(content, 'the line', `${this.#name}:${line}`) };
  }

  #tooLong(bytes: number): Line {
    const line = this.#line++;
    const error = new LlmkitError('data', `the line is ${formatBytes(bytes)} long`, {
      where: `${this.#name}:${line}`,
      expected: `at most ${formatBytes(this.#maxBytes)} a line`,
      hint: 'is it one JSON array? then say format: json',
    });
    return { line, error };
  }
}

/** The error for bytes that are not UTF-8, with the first bad one. */
export function notUtf8(bytes: Buffer, what: string, where: string): LlmkitError {
  const at = firstInvalid(bytes);
  return new LlmkitError('data', `${what} is not UTF-8: byte ${at + 1} is 0x${bytes[at]!.toString(16)}`, {
    where,
    expected: 'UTF-8',
    got: excerpt(bytes.subarray(Math.max(0, at - 60), at + 60).toString('latin1'), Math.min(at, 60)),
    hint: `convert the file (iconv -f gb18030 -t utf-8, or -f latin1), or set prepare.malformed: skip`,
  });
}

function firstInvalid(bytes: Buffer): number {
  let at = 0;
  while (at < bytes.length) {
    const lead = bytes[at]!;
    const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (!isUtf8(bytes.subarray(at, at + length))) return at;
    at += length;
  }
  return at;
}

/** @throws LlmkitError('data') for the beginning of a file that is UTF-16, with or without a mark, or no text at all. */
export function refuseOtherEncodings(bytes: Buffer, name: string): void {
  const mark = bytes.length >= 2 ? bytes.readUInt16BE(0) : 0;
  const head = bytes.subarray(0, LOOK_BYTES);
  let zeros = 0;
  for (const byte of head) if (byte === 0) zeros++;
  const wide = mark === 0xfffe || mark === 0xfeff;
  // Single zero bytes are damage in a text; a fifth of them is another encoding.
  if (!wide && zeros * 5 <= head.length) return;
  throw new LlmkitError('data', `${name} is ${wide ? 'UTF-16' : 'UTF-16 or not text'}`, {
    where: `${name}:1`,
    expected: 'UTF-8',
    got: wide ? 'a UTF-16 byte-order mark' : `${zeros} zero bytes in the first ${head.length}`,
    hint: `if it is UTF-16, convert it: iconv -f utf-16 -t utf-8 ${name} > utf8-${name.replace(/^.*[/\\]/, '')}`,
  });
}

/** Up to 60 characters around a place, on one line. */
export function excerpt(text: string, at: number): string {
  const from = Math.max(0, at - 30);
  const cut = text.slice(from, from + 60).replaceAll(/\p{Cc}/gu, ' ');
  return `${from > 0 ? '…' : ''}${cut}${from + 60 < text.length ? '…' : ''}`;
}
