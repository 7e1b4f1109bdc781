import {
  compressionRegistry,
  CompressionType,
  MapRow,
  type RecordBatch,
  RecordBatchReader,
  type Schema,
  StructRow,
  Vector,
} from 'apache-arrow';
import { decompress } from 'fzstd';
import { LlmkitError } from '../core/errors.ts';
import { refuseDuplicates } from './columns.ts';
import { decodeLz4Frame } from './lz4.ts';
import type { Chunks, RawRecord } from './records.ts';

const FILE_MAGIC = Buffer.from('ARROW1');
/** The magic of the file format is padded to 8 bytes; a stream follows. */
const FILE_HEAD_BYTES = 8;
const END_OF_STREAM = Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);

/**
 * The rows of an Arrow IPC file or stream (pyarrow, polars, HF datasets) as plain objects, lists and structs as JSON has
 * them; one record batch is in memory. In lists and structs a null field is left out: tables have no other way to say
 * that a message has no such key. The file format is read as the stream that it holds.
 *
 * https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc
 *
 * @throws LlmkitError('data') when it is cut, damaged or names a column twice.
 */
export async function* readArrow(chunks: Chunks, name: string): AsyncGenerator<RawRecord> {
  compressionRegistry.set(CompressionType.ZSTD, { decode: (bytes) => aligned(decompress(bytes)) });
  compressionRegistry.set(CompressionType.LZ4_FRAME, { decode: decodeLz4Frame });
  const stream = new StreamBytes(chunks);
  let row = 0;
  try {
    const reader = await RecordBatchReader.from(stream.bytes());
    for await (const batch of reader) {
      if (row === 0) refuseDuplicates(namesOf(batch.schema), name);
      for (const value of rowsOf(batch)) {
        row++;
        yield { where: `${name} row ${row}`, row, value };
      }
    }
  } catch (error) {
    // What is wrong with a packed file, or with its columns, has its place already.
    if (error instanceof LlmkitError && error.where !== undefined) throw error;
    throw unreadable(name, row, stream, error);
  }
  if (!stream.isWhole) throw unreadable(name, row, stream, undefined);
}

/** Columns are typed arrays over these bytes: they have to begin at a multiple of their width. */
function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 8 === 0 ? bytes : Uint8Array.from(bytes);
}

/** The bytes of the stream that a file is or holds, watched for its marks. */
class StreamBytes {
  readonly #chunks: Chunks;
  #isFile = false;
  /** The last bytes of the file. */
  #tail = Buffer.alloc(0);
  position = 0;

  constructor(chunks: Chunks) {
    this.#chunks = chunks;
  }

  /** Whether the file ended as its format says, once all of it was read. */
  get isWhole(): boolean {
    const mark = this.#isFile ? FILE_MAGIC : END_OF_STREAM;
    return this.#tail.subarray(-mark.length).equals(mark);
  }

  async *bytes(): AsyncGenerator<Uint8Array> {
    let head = Buffer.alloc(0);
    for await (const chunk of this.#chunks) {
      this.position += chunk.length;
      this.#tail = Buffer.concat([this.#tail, chunk.subarray(-END_OF_STREAM.length)]).subarray(-END_OF_STREAM.length);
      if (head.length >= FILE_HEAD_BYTES) {
        // A copy: the reader keeps what it was given.
        yield Uint8Array.from(chunk);
        continue;
      }
      head = Buffer.concat([head, chunk]);
      if (head.length < FILE_HEAD_BYTES) continue;
      this.#isFile = head.subarray(0, FILE_MAGIC.length).equals(FILE_MAGIC);
      yield Uint8Array.from(head.subarray(this.#isFile ? FILE_HEAD_BYTES : 0));
    }
  }
}

function namesOf(schema: Schema): string[] {
  return schema.fields.map((field) => field.name);
}

function* rowsOf(batch: RecordBatch): Generator<Record<string, unknown>> {
  const names = namesOf(batch.schema);
  const columns = names.map((_, i) => batch.getChildAt(i)!);
  for (let row = 0; row < batch.numRows; row++) {
    const value: Record<string, unknown> = {};
    for (const [i, name] of names.entries()) value[name] = plain(columns[i]!.get(row));
    yield value;
  }
}

/** A cell as JSON has it; whole numbers that a double cannot hold become text. */
function plain(cell: unknown): unknown {
  if (typeof cell === 'bigint') {
    const number = Number(cell);
    return Number.isSafeInteger(number) ? number : String(cell);
  }
  if (cell instanceof Vector) return Array.from(cell as Iterable<unknown>, plain);
  if (cell instanceof StructRow || cell instanceof MapRow) {
    const object: Record<string, unknown> = {};
    for (const [key, value] of cell as Iterable<[string, unknown]>) {
      if (value !== null && value !== undefined) object[key] = plain(value);
    }
    return object;
  }
  return cell ?? null;
}

function unreadable(name: string, row: number, stream: StreamBytes, cause: unknown): LlmkitError {
  return new LlmkitError('data', `${name} cannot be read after row ${row}`, {
    where: `${name} at byte ${stream.position}`,
    expected: 'a whole Arrow IPC file or stream',
    got: cause instanceof Error ? cause.message : 'the file ends without its end mark',
    hint: 'copy or download the file again',
    ...(cause === undefined ? {} : { cause }),
  });
}
