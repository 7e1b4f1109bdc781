import { isAscii, isUtf8 } from 'node:buffer';
import { LlmkitError } from '../core/errors.ts';
import { formatBytes } from '../core/format.ts';
import { excerpt, type LineOptions, MAX_BYTES, notUtf8, refuseOtherEncodings } from './lines.ts';
import type { ChunkParser, RawRecord } from './records.ts';

const LF = 10;
const CR = 13;
const QUOTE = 34;
const DELIMITERS = [',', '\t', ';', '|'];

/** One record of the file, before it is known to be a row. */
interface Cells {
  cells: string[];
  /** Index of the byte after it, and the lines that end in it. */
  next: number;
  lines: number;
  /** Why it cannot be read. */
  problem?: string;
}

/**
 * The rows of a CSV (or TSV) file with a header line, as objects of texts; an empty cell is ''. Everything is text: no
 * type is guessed. Quoting is RFC 4180's, but that a quote inside a cell that does not begin with one is a character like
 * others; the delimiter is the one the header line holds most of. Blank lines are passed over. Rows that do not fit the
 * header or are not UTF-8 come as errors with their line. (DuckDB's reader was measured to make rows of what is inside
 * quoted cells where its buffers meet, without a word, and to lose the order of rows and errors.)
 *
 * @throws LlmkitError('data') for a header that does not name every column once, and for a quote that never closes.
 */
export class CsvRows implements ChunkParser {
  readonly #name: string;
  readonly #maxBytes: number;
  #columns: string[] | undefined;
  #delimiter = 0;
  /** The bytes of a record that is not complete yet, in pieces. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** Held bytes from which on it pays to look for the end again. */
  #lookFrom = 0;
  #looked = false;
  /** What is held ends inside a quoted cell. */
  #inQuotes = false;
  /** The rest of a line that is too long is passed over. */
  #skipping = false;
  #row = 0;
  #line = 1;

  constructor(options: LineOptions & { name: string }) {
    this.#name = options.name;
    this.#maxBytes = options.maxBytes ?? MAX_BYTES;
  }

  *push(chunk: Buffer): Generator<RawRecord> {
    if (!this.#looked) refuseOtherEncodings(chunk, this.#name);
    this.#looked = true;
    const rest = this.#skipping ? this.#restOfLine(chunk) : chunk;
    if (this.#heldBytes + rest.length < this.#lookFrom) this.#hold(rest);
    else yield* this.#take(this.#heldBytes === 0 ? rest : Buffer.concat([...this.#held, rest]), false);
  }

  *end(): Generator<RawRecord> {
    if (this.#heldBytes > 0) yield* this.#take(Buffer.concat(this.#held), true);
    if (this.#columns === undefined) throw this.#noHeader('an empty file');
  }

  #hold(bytes: Buffer): void {
    if (bytes.length > 0) this.#held.push(Buffer.from(bytes));
    this.#heldBytes += bytes.length;
  }

  *#take(bytes: Buffer, last: boolean): Generator<RawRecord> {
    const encoding = isAscii(bytes) ? 'latin1' : isUtf8(bytes) ? 'utf8' : undefined;
    let at = this.#columns === undefined ? this.#takeHeader(bytes, last) : 0;
    while (at !== undefined && at < bytes.length) {
      const record = this.#cells(bytes, at, last, encoding);
      if (record === undefined) break;
      if (record.cells.length > 1 || record.cells[0] !== '' || record.problem !== undefined) {
        yield this.#rowOf(record, bytes.subarray(at, record.next), encoding === undefined);
      }
      this.#line += record.lines;
      at = record.next;
    }
    this.#held = [];
    this.#heldBytes = 0;
    this.#hold(bytes.subarray(at ?? 0));
    // Twice as much, so that a long record is not looked through again for every chunk.
    this.#lookFrom = Math.min(2 * this.#heldBytes, this.#maxBytes);
    if (this.#heldBytes > 0 && (last || this.#heldBytes > this.#maxBytes)) yield this.#tooLong();
  }

  /** @returns where the rows begin; undefined while the header line is not complete. */
  #takeHeader(bytes: Buffer, last: boolean): number | undefined {
    const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
    const end = bytes.indexOf(LF, start);
    if (end < 0 && !last && bytes.length <= this.#maxBytes) return undefined;
    const line = bytes.toString('utf8', start, end < 0 ? bytes.length : end);
    if (line.trim() === '') throw this.#noHeader('a blank line');
    this.#delimiter = delimiterOf(line).charCodeAt(0);
    const record = this.#cells(bytes, start, last, 'utf8');
    if (record === undefined) return undefined;
    const columns = record.cells.map((cell) => cell.trim());
    if (record.problem !== undefined || columns.includes('') || new Set(columns).size < columns.length) {
      throw new LlmkitError('data', `${this.#name} has a header line that does not name its columns`, {
        where: `${this.#name}:1`,
        expected: 'every column once, none empty',
        got: line.slice(0, 80),
      });
    }
    this.#columns = columns;
    this.#line += record.lines;
    return record.next;
  }

  /** The record that begins at `start`; undefined when its end is not there yet. */
  #cells(bytes: Buffer, start: number, last: boolean, encoding: 'latin1' | 'utf8' | undefined): Cells | undefined {
    const cells: string[] = [];
    let lines = 1;
    let at = start;
    for (;;) {
      let end: number;
      if (bytes[at] === QUOTE) {
        const quote = closingQuote(bytes, at + 1);
        this.#inQuotes = quote < 0;
        if (quote < 0 || (quote === bytes.length - 1 && !last)) return undefined;
        const cell = bytes.toString(encoding ?? 'utf8', at + 1, quote);
        cells.push(cell.includes('"') ? cell.replaceAll('""', '"') : cell);
        lines += count(bytes, LF, at + 1, quote);
        const carriage = bytes[quote + 1] === CR && (bytes[quote + 2] === LF || quote + 2 === bytes.length);
        end = carriage ? quote + 2 : quote + 1;
        if (end < bytes.length && bytes[end] !== this.#delimiter && bytes[end] !== LF) {
          const lineEnd = bytes.indexOf(LF, end);
          if (lineEnd < 0 && !last) return undefined;
          const next = lineEnd < 0 ? bytes.length : lineEnd + 1;
          const problem = `after a quoted cell comes ${JSON.stringify(bytes.toString('utf8', end, end + 8))}`;
          return { cells, next, lines, problem };
        }
      } else {
        this.#inQuotes = false;
        end = at;
        while (end < bytes.length && bytes[end] !== this.#delimiter && bytes[end] !== LF) end++;
        const carriage = end > at && bytes[end - 1] === CR && (bytes[end] === LF || end === bytes.length);
        cells.push(end === at ? '' : bytes.toString(encoding ?? 'utf8', at, carriage ? end - 1 : end));
      }
      if (end >= bytes.length) return last ? { cells, next: end, lines } : undefined;
      at = end + 1;
      if (bytes[end] === LF) return { cells, next: at, lines };
    }
  }

  #rowOf(record: Cells, bytes: Buffer, check: boolean): RawRecord {
    const row = ++this.#row;
    const where = `${this.#name} row ${row}`;
    const columns = this.#columns!;
    const { cells } = record;
    if (check && !isUtf8(bytes)) return { where, row, error: notUtf8(bytes, 'the row', `${this.#name}:${this.#line}`) };
    if (record.problem === undefined && cells.length === columns.length && bytes.length <= this.#maxBytes) {
      const value: Record<string, string> = {};
      for (let i = 0; i < columns.length; i++) value[columns[i]!] = cells[i]!;
      return { where, row, value };
    }
    const spans = record.lines > 1 ? ` (lines ${this.#line} to ${this.#line + record.lines - 1})` : '';
    const long = bytes.length > this.#maxBytes ? `it is ${formatBytes(bytes.length)} long` : undefined;
    const why = record.problem ?? long ?? `it has ${cells.length} cells`;
    const error = new LlmkitError('data', `the row cannot be read: ${why}`, {
      where: `${this.#name}:${this.#line}${spans}`,
      expected: `${columns.length} cells: ${columns.join(', ')}`.slice(0, 120),
      got: excerpt(bytes.toString('utf8', 0, 200), 0),
      hint: 'quote cells that hold the delimiter, a quote or a line end, and double the quotes in them; or set prepare.malformed: skip',
    });
    return { where, row, error };
  }

  /** A record that does not end: a line without an end is passed over, but a quote may have swallowed any number of rows. */
  #tooLong(): RawRecord {
    if (this.#columns === undefined) throw this.#noHeader(`a line of more than ${formatBytes(this.#maxBytes)}`);
    const line = `${this.#name}:${this.#line}`;
    const got = excerpt(this.#held[0]!.toString('utf8', 0, 200), 0);
    if (this.#inQuotes) {
      const limit = this.#heldBytes > this.#maxBytes ? ` within ${formatBytes(this.#maxBytes)}` : '';
      throw new LlmkitError('data', `a quote that opens in ${this.#name} does not close${limit}`, {
        where: line,
        got,
        hint: 'mend the row that begins on this line; if the file is cut off, copy it again',
      });
    }
    const row = ++this.#row;
    const expected = `at most ${formatBytes(this.#maxBytes)} a row`;
    const error = new LlmkitError('data', 'the row is too long', { where: line, expected, got });
    this.#held = [];
    this.#heldBytes = 0;
    this.#skipping = true;
    return { where: `${this.#name} row ${row}`, row, error };
  }

  #restOfLine(chunk: Buffer): Buffer {
    const end = chunk.indexOf(LF);
    if (end < 0) return chunk.subarray(chunk.length);
    this.#skipping = false;
    this.#line++;
    return chunk.subarray(end + 1);
  }

  #noHeader(got: string): LlmkitError {
    const details = { where: `${this.#name}:1`, expected: 'column names on the first line', got };
    return new LlmkitError('data', `${this.#name} has no header line`, details);
  }
}

/** The delimiter of a CSV file, guessed from its header line: the candidate that occurs most outside quotes. */
export function delimiterOf(header: string): string {
  const bare = header.replaceAll(/"(?:[^"]|"")*"/g, '');
  const counts = DELIMITERS.map((delimiter) => bare.split(delimiter).length - 1);
  return DELIMITERS[counts.indexOf(Math.max(...counts))]!;
}

/** The quote that ends the cell whose text begins at `from`: the first that is not doubled; -1 when there is none. */
function closingQuote(bytes: Buffer, from: number): number {
  for (let at = from; ; at += 2) {
    at = bytes.indexOf(QUOTE, at);
    if (at < 0 || bytes[at + 1] !== QUOTE) return at;
  }
}

function count(bytes: Buffer, byte: number, from: number, to: number): number {
  let found = 0;
  for (let at = bytes.indexOf(byte, from); at >= 0 && at < to; at = bytes.indexOf(byte, at + 1)) found++;
  return found;
}
