import { createHash, type Hash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  Field,
  Int32,
  Int64,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  tableToIPC,
  Utf8,
  type Data,
  type DataType,
} from 'apache-arrow';
import { LlmkitError } from '../core/errors.ts';
import { ioError, writeAll } from './atomic.ts';

/** The column types that llmkit writes, in the names of HF datasets. */
export type Feature = 'list<int32>' | 'string' | 'int64' | 'int32';
export type Features = Readonly<Record<string, Feature>>;
export type Value = ArrayLike<number> | string | number;

export interface DatasetWriterOptions {
  /** Bytes of values after which a record batch is written; a reader loads one batch at a time. */
  batchBytes?: number;
  /** Bytes after which the next file begins (500 MB, as in HF datasets). */
  shardBytes?: number;
  /** The name kept in state.json as the split, e.g. `train`. */
  split?: string;
}

const END_OF_STREAM = 8;

/**
 * Writes one split in the layout of `datasets.Dataset.save_to_disk`: Arrow IPC stream files
 * `data-00000-of-0000N.arrow`, `state.json` and `dataset_info.json`. Memory is one record batch.
 * The folder has to be new; make it with `withAtomicDir`, so that nobody sees it half-written.
 */
export class DatasetWriter {
  readonly #dir: string;
  readonly #features: Features;
  readonly #options: Required<Omit<DatasetWriterOptions, 'split'>> & { split: string | null };
  readonly #schema: Schema;
  readonly #head: Uint8Array;
  readonly #columns: ColumnBuffer[];
  readonly #fingerprint: Hash = createHash('sha256');
  #fd: number | undefined;
  #shards = 0;
  #shardBytes = 0;
  #batchRows = 0;
  #rows = 0;
  #bytes = 0;

  constructor(dir: string, features: Features, options: DatasetWriterOptions = {}) {
    this.#dir = dir;
    this.#features = features;
    this.#options = { batchBytes: 2 ** 20, shardBytes: 500e6, ...options, split: options.split ?? null };
    const fields = Object.entries(features).map(([name, feature]) => new Field(name, arrowType(feature), true));
    const info = { info: { features: huggingFaceFeatures(features) } };
    this.#schema = new Schema(fields, new Map([['huggingface', JSON.stringify(info)]]));
    this.#head = tableToIPC(new Table(this.#schema), 'stream').slice(0, -END_OF_STREAM);
    this.#columns = Object.values(features).map((feature) => new ColumnBuffer(feature));
    mkdirSync(dir, { recursive: true });
  }

  /** Rows appended so far. */
  get numRows(): number {
    return this.#rows;
  }

  append(row: Readonly<Record<string, Value>>): void {
    let pending = 0;
    Object.keys(this.#features).forEach((name, i) => {
      const value = row[name];
      if (value === undefined) throw new LlmkitError('bug', `row ${this.#rows} has no ${name}`, { where: this.#dir });
      const column = this.#columns[i]!;
      column.append(value);
      pending += column.bytes;
    });
    this.#batchRows++;
    this.#rows++;
    if (pending >= this.#options.batchBytes) this.#flush();
  }

  /** Writes what is pending and the two JSON files. A split without rows is a file with a schema and no batch. */
  finish(): { numRows: number; bytes: number; files: string[]; fingerprint: string } {
    this.#flush();
    if (this.#shards === 0) this.#openShard();
    this.#closeShard();
    const files: string[] = [];
    for (let i = 0; i < this.#shards; i++) {
      const name = shardName(i, this.#shards);
      renameSync(join(this.#dir, partName(i)), join(this.#dir, name));
      files.push(name);
    }
    const fingerprint = this.#fingerprint.digest('hex').slice(0, 16);
    this.#write(() => writeDatasetFiles(this.#dir, this.#features, files, fingerprint, this.#options.split));
    return { numRows: this.#rows, bytes: this.#bytes, files, fingerprint };
  }

  /** Closes the file without finishing, after an error. */
  abort(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #flush(): void {
    if (this.#batchRows === 0) return;
    const children = this.#columns.map((column) => column.take());
    const data = makeData({ type: new Struct(this.#schema.fields), length: this.#batchRows, nullCount: 0, children });
    const stream = tableToIPC(new Table([new RecordBatch(this.#schema, data)]), 'stream');
    const message = stream.subarray(this.#head.length, stream.length - END_OF_STREAM);
    this.#batchRows = 0;
    if (this.#shardBytes > 0 && this.#shardBytes + message.length > this.#options.shardBytes) this.#closeShard();
    if (this.#fd === undefined) this.#openShard();
    this.#put(message);
  }

  #openShard(): void {
    this.#write(() => {
      this.#fd = openSync(join(this.#dir, partName(this.#shards)), 'wx');
    });
    this.#shards++;
    this.#shardBytes = 0;
    this.#put(this.#head);
  }

  #closeShard(): void {
    if (this.#fd === undefined) return;
    const end = new Uint8Array(END_OF_STREAM);
    end.fill(0xff, 0, 4);
    this.#put(end);
    closeSync(this.#fd);
    this.#fd = undefined;
  }

  #put(bytes: Uint8Array): void {
    const fd = this.#fd!;
    this.#write(() => writeAll(fd, bytes));
    this.#fingerprint.update(bytes);
    this.#shardBytes += bytes.length;
    this.#bytes += bytes.length;
  }

  #write(action: () => void): void {
    try {
      action();
    } catch (error) {
      throw ioError(error, `cannot write ${this.#dir}`, this.#dir);
    }
  }
}

/** A dataset that a DatasetWriter finished, to be joined with others. */
export interface DatasetPiece {
  dir: string;
  files: readonly string[];
  fingerprint: string;
}

/** Makes one dataset in the new folder `dir` of the files of several, which are moved there, in this order. */
export function joinDatasets(dir: string, features: Features, pieces: readonly DatasetPiece[], split: string): void {
  const count = pieces.reduce((sum, piece) => sum + piece.files.length, 0);
  const hash = createHash('sha256');
  const files: string[] = [];
  mkdirSync(dir, { recursive: true });
  for (const piece of pieces) {
    hash.update(piece.fingerprint);
    for (const file of piece.files) {
      const name = shardName(files.length, count);
      renameSync(join(piece.dir, file), join(dir, name));
      files.push(name);
    }
  }
  const fingerprint = pieces.length === 1 ? pieces[0]!.fingerprint : hash.digest('hex').slice(0, 16);
  writeDatasetFiles(dir, features, files, fingerprint, split);
}

/** state.json and dataset_info.json. */
function writeDatasetFiles(
  dir: string,
  features: Features,
  files: readonly string[],
  fingerprint: string,
  split: string | null,
): void {
  const state = {
    _data_files: files.map((filename) => ({ filename })),
    _fingerprint: fingerprint,
    _format_columns: null,
    _format_kwargs: {},
    _format_type: null,
    _output_all_columns: false,
    _split: split,
  };
  const info = { citation: '', description: '', features: huggingFaceFeatures(features), homepage: '', license: '' };
  writeFileSync(join(dir, 'state.json'), `${JSON.stringify(state, null, 2)}\n`);
  writeFileSync(join(dir, 'dataset_info.json'), `${JSON.stringify(info, null, 2)}\n`);
}

/** Marks `dir` as a `datasets.DatasetDict` whose splits are its folders of these names. */
export function writeDatasetDict(dir: string, splits: readonly string[]): void {
  writeFileSync(join(dir, 'dataset_dict.json'), `${JSON.stringify({ splits })}\n`);
}

/** The values of one column until they become a record batch; arrays grow by doubling and are used again. */
class ColumnBuffer {
  readonly #feature: Feature;
  #offsets = new Int32Array(1024);
  #int32 = new Int32Array(4096);
  #int64 = new BigInt64Array(64);
  #text: Buffer[] = [];
  #length = 0;
  #used = 0;

  constructor(feature: Feature) {
    this.#feature = feature;
  }

  get bytes(): number {
    return this.#used * (this.#feature === 'string' ? 1 : this.#feature === 'int64' ? 8 : 4);
  }

  append(value: Value): void {
    if (this.#length + 2 > this.#offsets.length) this.#offsets = grow(this.#offsets, this.#length + 2);
    if (this.#feature === 'list<int32>') {
      const list = value as ArrayLike<number>;
      if (this.#used + list.length > this.#int32.length) this.#int32 = grow(this.#int32, this.#used + list.length);
      this.#int32.set(list, this.#used);
      this.#used += list.length;
    } else if (this.#feature === 'string') {
      const bytes = Buffer.from(value as string, 'utf8');
      this.#text.push(bytes);
      this.#used += bytes.length;
    } else if (this.#feature === 'int64') {
      if (this.#used === this.#int64.length) {
        const wider = new BigInt64Array(this.#used * 2);
        wider.set(this.#int64);
        this.#int64 = wider;
      }
      this.#int64[this.#used++] = BigInt(value as number);
    } else {
      if (this.#used === this.#int32.length) this.#int32 = grow(this.#int32, this.#used + 1);
      this.#int32[this.#used++] = value as number;
    }
    this.#length++;
    this.#offsets[this.#length] = this.#used;
  }

  /** Everything appended since the last call, as Arrow data over copies. */
  take(): Data {
    const length = this.#length;
    const used = this.#used;
    const valueOffsets = this.#offsets.slice(0, length + 1);
    this.#length = 0;
    this.#used = 0;
    if (this.#feature === 'list<int32>') {
      const values = makeData({ type: new Int32(), length: used, nullCount: 0, data: this.#int32.slice(0, used) });
      return makeData({ type: listOfInt32(), length, nullCount: 0, valueOffsets, child: values });
    }
    if (this.#feature === 'string') {
      const data = Buffer.concat(this.#text, used);
      this.#text = [];
      return makeData({ type: new Utf8(), length, nullCount: 0, valueOffsets, data });
    }
    return this.#feature === 'int64'
      ? makeData({ type: new Int64(), length, nullCount: 0, data: this.#int64.slice(0, used) })
      : makeData({ type: new Int32(), length, nullCount: 0, data: this.#int32.slice(0, used) });
  }
}

function grow(array: Int32Array<ArrayBuffer>, atLeast: number): Int32Array<ArrayBuffer> {
  const wider = new Int32Array(Math.max(atLeast, array.length * 2));
  wider.set(array);
  return wider;
}

function listOfInt32(): List<Int32> {
  return new List(new Field('item', new Int32(), true));
}

function arrowType(feature: Feature): DataType {
  if (feature === 'list<int32>') return listOfInt32();
  if (feature === 'string') return new Utf8();
  return feature === 'int64' ? new Int64() : new Int32();
}

function huggingFaceFeatures(features: Features): Record<string, unknown> {
  const value = (dtype: string) => ({ dtype, _type: 'Value' });
  return Object.fromEntries(
    Object.entries(features).map(([name, feature]) => [
      name,
      feature === 'list<int32>' ? { feature: value('int32'), _type: 'List' } : value(feature),
    ]),
  );
}

const pad = (index: number): string => String(index).padStart(5, '0');
const shardName = (index: number, count: number): string => `data-${pad(index)}-of-${pad(count)}.arrow`;
const partName = (index: number): string => `part-${pad(index)}.arrow`;
