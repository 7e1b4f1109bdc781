import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { Message, MessageHeader, type RecordBatch, RecordBatchReader, type Schema } from 'apache-arrow';
import { LlmkitError } from '../core/errors.ts';
import { ioError } from './atomic.ts';

/** Where one record batch lies in the file, and which of the file's rows it holds. */
interface BatchPlace {
  position: number;
  bytes: number;
  firstRow: number;
  numRows: number;
}

/** A metadata message larger than this is a broken file. */
const MAX_MESSAGE_BYTES = 64 * 2 ** 20;

/**
 * An Arrow IPC stream file, indexed by record batch: opening reads only the messages' headers, and a row's batch is
 * read when it is asked for. https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format
 *
 * @throws LlmkitError('data') naming the file for anything that is not a whole, uncompressed stream.
 */
export class ArrowStreamFile {
  readonly path: string;
  readonly schema: Schema;
  readonly numRows: number;
  readonly #fd: number;
  readonly #head: Uint8Array;
  readonly #batches: BatchPlace[] = [];

  constructor(path: string) {
    this.path = path;
    try {
      this.#fd = openSync(path, 'r');
    } catch (error) {
      throw ioError(error, `cannot open ${path}`, path);
    }
    try {
      const { head, schema, numRows } = this.#index(fstatSync(this.#fd).size);
      this.#head = head;
      this.schema = schema;
      this.numRows = numRows;
    } catch (error) {
      closeSync(this.#fd);
      throw ioError(error, `cannot read ${path}`, path);
    }
  }

  get numBatches(): number {
    return this.#batches.length;
  }

  /** Index of the batch that holds `row`, and the row's place in it. */
  locate(row: number): { batch: number; offset: number } {
    let low = 0;
    let high = this.#batches.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#batches[middle]!.firstRow <= row) low = middle;
      else high = middle - 1;
    }
    return { batch: low, offset: row - this.#batches[low]!.firstRow };
  }

  /** Reads one record batch; its columns view a buffer of their own. */
  readBatch(index: number): RecordBatch {
    const place = this.#batches[index]!;
    const bytes = new Uint8Array(this.#head.length + place.bytes);
    bytes.set(this.#head);
    this.#readInto(bytes.subarray(this.#head.length), place.position);
    const batch = RecordBatchReader.from(bytes).next();
    if (batch.done === true || batch.value.numRows !== place.numRows) {
      throw this.#broken(`record batch ${index} cannot be read`, place.position);
    }
    return batch.value;
  }

  close(): void {
    closeSync(this.#fd);
  }

  #index(fileBytes: number): { head: Uint8Array; schema: Schema; numRows: number } {
    let position = 0;
    let numRows = 0;
    let head: Uint8Array | undefined;
    let schema: Schema | undefined;
    for (;;) {
      const message = this.#messageAt(position, fileBytes);
      if (message === undefined) break;
      const { header, metadataBytes, bodyBytes } = message;
      const bytes = metadataBytes + bodyBytes;
      if (position + bytes > fileBytes) throw this.#broken('the file ends inside a record batch', position);
      if (header.headerType === MessageHeader.Schema) {
        head = this.#readInto(new Uint8Array(bytes), position);
        schema = header.header() as unknown as Schema;
      } else if (header.headerType === MessageHeader.RecordBatch && schema !== undefined) {
        const batch = header.header() as unknown as { length: number; compression: unknown };
        if (batch.compression !== null)
          throw this.#broken('its record batches are compressed', position, 'no compression');
        this.#batches.push({ position, bytes, firstRow: numRows, numRows: batch.length });
        numRows += batch.length;
      } else {
        throw this.#broken('it holds dictionary-encoded columns', position, 'a schema, then plain record batches');
      }
      position += bytes;
    }
    if (head === undefined || schema === undefined) throw this.#broken('it has no schema', 0);
    return { head, schema, numRows };
  }

  /**
   * The message at `position`; undefined at the end-of-stream mark. The format lets a stream stop without the mark, but
   * then a file cut between two batches would look whole: every writer of datasets puts it there.
   */
  #messageAt(position: number, fileBytes: number) {
    if (position + 8 > fileBytes) throw this.#broken('the file ends inside a message', position);
    const prefix = new DataView(this.#readInto(new Uint8Array(8), position).buffer);
    const length = prefix.getInt32(4, true);
    if (prefix.getInt32(0, true) !== -1 || length < 0 || length > MAX_MESSAGE_BYTES) {
      throw this.#broken('it is not an Arrow IPC stream', position, 'a file that datasets.save_to_disk wrote');
    }
    if (length === 0) return undefined;
    if (position + 8 + length > fileBytes) throw this.#broken('the file ends inside a message', position);
    const metadata = this.#readInto(new Uint8Array(length), position + 8);
    let header: Message;
    try {
      header = Message.decode(metadata);
    } catch (error) {
      throw this.#broken('a message cannot be decoded', position, 'an Arrow message', error);
    }
    return { header, metadataBytes: 8 + length, bodyBytes: header.bodyLength };
  }

  #readInto<T extends Uint8Array>(out: T, position: number): T {
    let done = 0;
    while (done < out.length) {
      const read = readSync(this.#fd, out, done, out.length - done, position + done);
      if (read === 0) throw this.#broken('the file ended early', position + done);
      done += read;
    }
    return out;
  }

  #broken(what: string, position: number, expected?: string, cause?: unknown): LlmkitError {
    return new LlmkitError('data', `${this.path}: ${what}`, {
      where: `${this.path} at byte ${position}`,
      ...(expected === undefined ? {} : { expected }),
      ...(cause === undefined ? {} : { cause }),
      hint: 'prepare the data again',
    });
  }
}
