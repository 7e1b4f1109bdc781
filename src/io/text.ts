import { isUtf8 } from 'node:buffer';
import { LlmkitError } from '../core/errors.ts';
import { formatBytes } from '../core/format.ts';
import { type Line, type LineOptions, LineSplitter, MAX_BYTES, notUtf8, refuseOtherEncodings } from './lines.ts';
import type { ChunkParser, RawRecord } from './records.ts';

/** How a text file is cut into documents, in the words of HF datasets' text loader. */
export type SampleBy = 'line' | 'paragraph' | 'document';

/**
 * The documents of a text file: its lines, its paragraphs (parted by blank lines), or the whole. Blank ones do not count.
 * A document with a bad line is an error as a whole: nobody would miss the line otherwise.
 */
export class TextDocuments implements ChunkParser {
  readonly #name: string;
  readonly #maxBytes: number;
  readonly #sampleBy: SampleBy;
  readonly #splitter: LineSplitter;
  #lines: string[] = [];
  #firstLine = 1;
  #characters = 0;
  #error: LlmkitError | undefined;

  constructor(sampleBy: SampleBy, options: LineOptions & { name: string; firstLine?: number }) {
    this.#sampleBy = sampleBy;
    this.#name = options.name;
    this.#maxBytes = options.maxBytes ?? MAX_BYTES;
    this.#splitter = new LineSplitter(options);
  }

  push(chunk: Buffer): Generator<RawRecord> {
    return this.#cut(this.#splitter.push(chunk));
  }

  *end(): Generator<RawRecord> {
    yield* this.#cut(this.#splitter.end());
    yield* this.#finish();
  }

  *#cut(lines: Iterable<Line>): Generator<RawRecord> {
    for (const item of lines) {
      const text = 'error' in item ? undefined : item.text;
      const blank = text !== undefined && text.trim() === '';
      if (blank && this.#sampleBy !== 'document') {
        yield* this.#finish();
        continue;
      }
      if (this.#characters === 0) this.#firstLine = item.line;
      this.#characters += (text?.length ?? 0) + 1;
      if ('error' in item) this.#error ??= item.error;
      else if (this.#error === undefined) this.#lines.push(item.text);
      if (this.#characters > this.#maxBytes && this.#error === undefined) this.#error = this.#tooLong();
      if (this.#error !== undefined) this.#lines = [];
      if (this.#sampleBy === 'line') yield* this.#finish();
    }
  }

  *#finish(): Generator<RawRecord> {
    if (this.#characters === 0) return;
    const [error, lines] = [this.#error, this.#lines];
    this.#error = undefined;
    this.#lines = [];
    this.#characters = 0;
    const whole = this.#sampleBy === 'document';
    const row = whole ? 1 : this.#firstLine;
    const where = whole ? this.#name : `${this.#name}:${row}`;
    if (error !== undefined) {
      yield { where, row, error };
      return;
    }
    const value = lines.length === 1 ? lines[0]! : lines.join('\n');
    if (value.trim() !== '') yield { where, row, value };
  }

  #tooLong(): LlmkitError {
    return new LlmkitError('data', `the document is longer than ${formatBytes(this.#maxBytes)}`, {
      where: `${this.#name}:${this.#firstLine}`,
      hint: 'set sample_by: paragraph (or line) for this source, or part the file',
    });
  }
}

/** How much of an HTML file is looked at for the encoding that it declares. */
const HTML_HEAD_BYTES = 2048;

/**
 * An HTML file as one record, its markup as it is. Its encoding is UTF-8, else what it declares itself
 * (`<meta charset=gbk>`, or the longer form).
 */
export class HtmlDocument implements ChunkParser {
  readonly #name: string;
  readonly #maxBytes: number;
  #held: Buffer[] = [];
  #bytes = 0;

  constructor(options: LineOptions & { name: string }) {
    this.#name = options.name;
    this.#maxBytes = options.maxBytes ?? MAX_BYTES;
  }

  push(chunk: Buffer): RawRecord[] {
    if (this.#bytes === 0) refuseOtherEncodings(chunk, this.#name);
    this.#bytes += chunk.length;
    if (this.#bytes > this.#maxBytes) this.#held = [];
    else this.#held.push(Buffer.from(chunk));
    return [];
  }

  end(): RawRecord[] {
    const place = { where: this.#name, row: 1 };
    if (this.#bytes > this.#maxBytes) {
      const message = `the document is longer than ${formatBytes(this.#maxBytes)}`;
      return [{ ...place, error: new LlmkitError('data', message, { where: this.#name }) }];
    }
    const bytes = Buffer.concat(this.#held);
    if (bytes.length === 0) return [];
    const value = this.#decode(bytes);
    if (typeof value !== 'string') return [{ ...place, error: value }];
    return value.trim() === '' ? [] : [{ ...place, value }];
  }

  #decode(bytes: Buffer): string | LlmkitError {
    if (isUtf8(bytes)) return bytes.toString('utf8').replace(/^\ufeff/, '');
    const head = bytes.toString('latin1', 0, HTML_HEAD_BYTES);
    const charset = /<meta\b[^>]{0,200}?charset\s*=\s*["']?\s*([\w-]+)/i.exec(head)?.[1];
    if (charset === undefined || /^utf-?8$/i.test(charset)) return notUtf8(bytes, 'the document', this.#name);
    try {
      return new TextDecoder(charset, { fatal: true }).decode(bytes);
    } catch (error) {
      return new LlmkitError('data', `the document is not ${charset}, as it says`, {
        where: this.#name,
        hint: 'convert the file to UTF-8 with iconv, or set prepare.malformed: skip',
        cause: error,
      });
    }
  }
}
