import { isUtf8 } from 'node:buffer';
import { closeSync, openSync, readSync } from 'node:fs';
import { LlmkitError } from '../core/errors.ts';
import { jsonErrorOffset } from '../core/json-error.ts';
import { formatBytes } from '../core/format.ts';
import { ioError } from './atomic.ts';
import type { RawRecord } from './records.ts';

export interface LineOptions {
  /** The name of the file in messages; its path unless given. */
  name?: string;
  /** A longer line, or a longer document, is an error; it bounds the memory. */
  maxBytes?: number;
}

export type Line = { line: number; text: string } | { line: number; error: LlmkitError };

const CHUNK_BYTES = 256 * 1024;
const MAX_BYTES = 64 * 2 ** 20;
const LF = 10;
const CR = 13;

/**
 * The lines of a UTF-8 file, numbered from 1, without their LF or CRLF; a byte-order mark is dropped. A line that is
 * not UTF-8 or is too long comes as an error that says where, and the next one follows. One chunk is in memory.
 *
 * @throws LlmkitError('io') when the file cannot be read; ('data') when it is UTF-16.
 */
export function* readLines(path: string, options: LineOptions = {}): Generator<Line> {
  const { name = path, maxBytes = MAX_BYTES } = options;
  const fd = openForReading(path);
  try {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    let held: Buffer[] = [];
    let heldBytes = 0;
    let line = 1;
    for (;;) {
      const read = readChunk(fd, chunk, path);
      if (read === 0) break;
      if (line === 1 && heldBytes === 0) refuseUtf16(chunk.subarray(0, read), name);
      let start = 0;
      for (;;) {
        const end = chunk.subarray(0, read).indexOf(LF, start);
        const piece = chunk.subarray(start, end < 0 ? read : end);
        heldBytes += piece.length;
        if (end < 0) {
          // Beyond the limit nothing is kept but the count.
          if (heldBytes > maxBytes) held = [];
          else held.push(Buffer.from(piece));
          break;
        }
        yield decodeLine(held.length === 0 ? piece : Buffer.concat([...held, piece]), heldBytes, line, name, maxBytes);
        held = [];
        heldBytes = 0;
        line++;
        start = end + 1;
      }
    }
    if (heldBytes > 0) yield decodeLine(Buffer.concat(held), heldBytes, line, name, maxBytes);
  } finally {
    closeSync(fd);
  }
}

/**
 * The rows of a JSON lines file: one object a line; blank lines are passed over.
 * Values are JSON.parse's own: no type is guessed, so dates and leading zeros stay as they are.
 */
export function* readJsonLines(path: string, options: LineOptions = {}): Generator<RawRecord> {
  const name = options.name ?? path;
  let first = true;
  for (const item of readLines(path, options)) {
    const where = `${name}:${item.line}`;
    if ('error' in item) {
      yield { where, error: item.error };
      continue;
    }
    if (item.text.trim() === '') continue;
    if (first && item.text.trimStart().startsWith('[')) throw jsonArray(name);
    first = false;
    yield parseRow(item.text, where);
  }
}

/** How a text file is cut into documents, in the words of HF datasets' text loader. */
export type SampleBy = 'line' | 'paragraph' | 'document';

/** The documents of a text file: its lines, its paragraphs (parted by blank lines), or the whole. Blank ones do not count. */
export function* readText(path: string, sampleBy: SampleBy, options: LineOptions = {}): Generator<RawRecord> {
  const { name = path, maxBytes = MAX_BYTES } = options;
  let lines: string[] = [];
  let firstLine = 1;
  let characters = 0;
  for (const item of readLines(path, options)) {
    if ('error' in item) {
      yield { where: `${name}:${item.line}`, error: item.error };
      continue;
    }
    const blank = item.text.trim() === '';
    const ends = sampleBy === 'line' || (sampleBy === 'paragraph' && blank);
    if (!ends || (sampleBy === 'line' && !blank)) {
      if (lines.length === 0) firstLine = item.line;
      lines.push(item.text);
      characters += item.text.length + 1;
    }
    if (characters > maxBytes) throw documentTooLong(`${name}:${firstLine}`, maxBytes);
    if (ends && lines.length > 0) {
      yield { where: `${name}:${firstLine}`, value: lines.join('\n') };
      lines = [];
      characters = 0;
    }
  }
  const rest = lines.join('\n');
  if (rest.trim() !== '') yield { where: `${name}:${firstLine}`, value: rest };
}

function parseRow(text: string, where: string): RawRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const at = jsonErrorOffset(text) ?? text.length;
    const what = at >= text.length ? 'it ends too early' : `${JSON.stringify(text[at])} cannot stand here`;
    return {
      where,
      error: new LlmkitError('data', `the line is not JSON: ${what}`, {
        where: `${where}:${at + 1}`,
        got: excerpt(text, at),
        hint: 'mend the line, or set prepare.malformed: skip to leave such rows out and count them',
        cause: error,
      }),
    };
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { where, value };
  const error = new LlmkitError('data', 'the line is not a JSON object', {
    where,
    expected: '{"column": value, ...}',
    got: excerpt(text, 0),
  });
  return { where, error };
}

function decodeLine(bytes: Buffer, byteLength: number, line: number, name: string, maxBytes: number): Line {
  if (byteLength > maxBytes) {
    const error = new LlmkitError('data', `the line is ${formatBytes(byteLength)} long`, {
      where: `${name}:${line}`,
      expected: `at most ${formatBytes(maxBytes)} a line`,
      hint: 'is it one JSON array? llmkit reads one object a line: jq -c ".[]" in.json > out.jsonl',
    });
    return { line, error };
  }
  let start = 0;
  let end = bytes.length;
  if (line === 1 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) start = 3;
  if (end > start && bytes[end - 1] === CR) end--;
  const content = bytes.subarray(start, end);
  if (isUtf8(content)) return { line, text: content.toString('utf8') };
  const at = firstInvalid(content);
  const error = new LlmkitError('data', `the line is not UTF-8: byte ${at + 1} is 0x${content[at]!.toString(16)}`, {
    where: `${name}:${line}`,
    expected: 'UTF-8',
    got: excerpt(content.subarray(0, at + 20).toString('latin1'), at),
    hint: `convert the file (iconv -f gb18030 -t utf-8, or -f latin1), or set prepare.malformed: skip`,
  });
  return { line, error };
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

function refuseUtf16(bytes: Buffer, name: string): void {
  const mark = bytes.length >= 2 ? bytes.readUInt16BE(0) : 0;
  if (mark !== 0xfffe && mark !== 0xfeff) return;
  throw new LlmkitError('data', `${name} is UTF-16`, {
    where: `${name}:1`,
    expected: 'UTF-8',
    hint: `convert it: iconv -f utf-16 -t utf-8 ${name} > utf8-${name.replace(/^.*[/\\]/, '')}`,
  });
}

function jsonArray(name: string): LlmkitError {
  return new LlmkitError('data', `${name} holds one JSON array, not one object a line`, {
    where: `${name}:1`,
    hint: `make it JSON lines: jq -c ".[]" ${name} > ${name.replace(/\.[^.]*$/, '')}.jsonl`,
  });
}

function documentTooLong(where: string, maxBytes: number): LlmkitError {
  return new LlmkitError('data', `the document is longer than ${formatBytes(maxBytes)}`, {
    where,
    hint: 'set sample_by: paragraph (or line) for this source, or part the file',
  });
}

/** Up to 60 characters around a place, on one line. */
function excerpt(text: string, at: number): string {
  const from = Math.max(0, at - 30);
  const cut = text.slice(from, from + 60).replaceAll(/\p{Cc}/gu, ' ');
  return `${from > 0 ? '…' : ''}${cut}${from + 60 < text.length ? '…' : ''}`;
}

function openForReading(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw ioError(error, `cannot open ${path}`, path);
  }
}

function readChunk(fd: number, chunk: Buffer, path: string): number {
  try {
    return readSync(fd, chunk, 0, chunk.length, null);
  } catch (error) {
    throw ioError(error, `cannot read ${path}`, path);
  }
}
