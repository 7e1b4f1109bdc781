import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataType, type RecordBatch } from 'apache-arrow';
import { LlmkitError } from '../core/errors.ts';
import { ArrowStreamFile } from './arrow-stream.ts';
import { ioError } from './atomic.ts';

/** Cells as they come out: lists of integers are copies, int64 are numbers (an error beyond 2^53). */
export type Cell = Int32Array | string | number | null;
export type Row = Record<string, Cell>;

/** One split on disk. At most a few record batches are in memory, however large the split. */
export interface Dataset {
  readonly dir: string;
  /** Column names and their Arrow types, e.g. `{ input_ids: 'list<int32>', text: 'string' }`. */
  readonly features: Readonly<Record<string, string>>;
  readonly numRows: number;
  row(index: number): Row;
  /** One cell, without touching the other columns. */
  cell(index: number, column: string): Cell;
  /** Rows `start` to `end` (exclusive) in order. */
  rows(start?: number, end?: number): Generator<Row>;
  close(): void;
}

/** Batches kept: enough for a shuffled reader to profit, few enough to bound memory. */
const KEPT_BATCHES = 8;

/** The splits of a `datasets.DatasetDict` folder. */
export function datasetSplits(dir: string): string[] {
  const path = join(dir, 'dataset_dict.json');
  const { splits } = readJson(path) as { splits?: unknown };
  if (!Array.isArray(splits) || !splits.every((split) => typeof split === 'string')) {
    throw new LlmkitError('data', `${path} lists no splits`, { where: path, expected: '{"splits": ["train", ...]}' });
  }
  return splits as string[];
}

/**
 * Opens one split written by `datasets.Dataset.save_to_disk` or by DatasetWriter.
 *
 * @throws LlmkitError('data') when files are missing, cut or of another layout.
 */
export function openDataset(dir: string): Dataset {
  if (!existsSync(join(dir, 'state.json')) && existsSync(join(dir, 'dataset_dict.json'))) {
    throw new LlmkitError('data', `${dir} holds several splits`, {
      where: dir,
      hint: `open one of them: ${datasetSplits(dir).join(', ')}`,
    });
  }
  const statePath = join(dir, 'state.json');
  const { _data_files: files } = readJson(statePath) as { _data_files?: { filename?: unknown }[] };
  if (!Array.isArray(files) || !files.every((file) => typeof file.filename === 'string')) {
    throw new LlmkitError('data', `${statePath} lists no data files`, { where: statePath });
  }
  const shards: ArrowStreamFile[] = [];
  try {
    for (const file of files) shards.push(new ArrowStreamFile(join(dir, file.filename as string)));
    return new ShardedDataset(dir, shards);
  } catch (error) {
    for (const shard of shards) shard.close();
    throw error;
  }
}

class ShardedDataset implements Dataset {
  readonly dir: string;
  readonly features: Record<string, string>;
  readonly numRows: number;
  readonly #shards: { file: ArrowStreamFile; firstRow: number }[] = [];
  /** Least recently used first. */
  readonly #kept = new Map<string, RecordBatch>();

  constructor(dir: string, files: ArrowStreamFile[]) {
    this.dir = dir;
    let numRows = 0;
    for (const file of files) {
      this.#shards.push({ file, firstRow: numRows });
      numRows += file.numRows;
    }
    this.numRows = numRows;
    const schema = files[0]?.schema;
    if (schema === undefined) throw new LlmkitError('data', `${dir} has no data files`, { where: dir });
    this.features = Object.fromEntries(schema.fields.map((field) => [field.name, typeName(field.type)]));
    for (const file of files) {
      if (file.schema.names.join() !== schema.names.join()) {
        throw new LlmkitError('data', `${file.path} has other columns than the first file`, {
          where: file.path,
          expected: schema.names.join(', '),
          got: file.schema.names.join(', '),
        });
      }
    }
  }

  row(index: number): Row {
    const { batch, offset } = this.#find(index);
    return Object.fromEntries(batch.schema.fields.map((field, i) => [field.name, this.#read(batch, i, offset, index)]));
  }

  cell(index: number, column: string): Cell {
    const { batch, offset } = this.#find(index);
    const i = batch.schema.names.indexOf(column);
    if (i < 0) {
      throw new LlmkitError('data', `no column ${column}`, {
        where: this.dir,
        expected: column,
        got: Object.keys(this.features).join(', '),
      });
    }
    return this.#read(batch, i, offset, index);
  }

  *rows(start = 0, end = this.numRows): Generator<Row> {
    for (let index = start; index < end; index++) yield this.row(index);
  }

  close(): void {
    this.#kept.clear();
    for (const { file } of this.#shards) file.close();
  }

  #find(index: number): { batch: RecordBatch; offset: number } {
    if (!Number.isInteger(index) || index < 0 || index >= this.numRows) {
      throw new LlmkitError('bug', `row ${index} of ${this.dir}`, { expected: `0 to ${this.numRows - 1}` });
    }
    let shard = this.#shards.length - 1;
    while (this.#shards[shard]!.firstRow > index) shard--;
    const { file, firstRow } = this.#shards[shard]!;
    const { batch: batchIndex, offset } = file.locate(index - firstRow);
    const key = `${shard}:${batchIndex}`;
    const batch = this.#kept.get(key) ?? file.readBatch(batchIndex);
    this.#kept.delete(key);
    this.#kept.set(key, batch);
    if (this.#kept.size > KEPT_BATCHES) this.#kept.delete(this.#kept.keys().next().value!);
    return { batch, offset };
  }

  #read(batch: RecordBatch, column: number, offset: number, index: number): Cell {
    const value = (batch.getChildAt(column)?.get(offset) ?? null) as unknown;
    if (value === null || typeof value === 'string' || typeof value === 'number') return value;
    if (typeof value === 'bigint') return this.#safe(value, index);
    const numbers = (value as { toArray?: () => unknown }).toArray?.();
    if (numbers instanceof Int32Array) return numbers.slice();
    if (numbers instanceof BigInt64Array) return Int32Array.from(numbers, (number) => this.#int32(number, index));
    throw new LlmkitError('data', `column ${batch.schema.names[column]!.toString()} has a type llmkit does not read`, {
      where: this.dir,
      expected: 'list<int32>, list<int64>, string, int32, int64, float',
      got: this.features[batch.schema.names[column] as string]!,
    });
  }

  #safe(value: bigint, index: number): number {
    const number = Number(value);
    if (Number.isSafeInteger(number)) return number;
    throw new LlmkitError('data', 'a number is beyond 2^53', { where: `${this.dir} row ${index}`, got: String(value) });
  }

  #int32(value: bigint, index: number): number {
    if (value === BigInt.asIntN(32, value)) return Number(value);
    throw new LlmkitError('data', 'a number in a list is beyond 32 bits', {
      where: `${this.dir} row ${index}`,
      got: String(value),
    });
  }
}

/** Arrow's own spelling is `List<Int32>`: HF datasets and pyarrow say `list<int32>`. */
function typeName(type: DataType): string {
  if (DataType.isList(type)) return `list<${typeName(type.valueType as DataType)}>`;
  if (DataType.isUtf8(type)) return 'string';
  return String(type).toLowerCase();
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) ?? {};
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new LlmkitError('data', `${path} is not JSON: ${error.message}`, { where: path, cause: error });
    }
    throw ioError(error, `cannot open ${path}`, path);
  }
}
