import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';
import { LlmkitError } from '../core/errors.ts';
import { refuseDuplicates } from './columns.ts';
import type { Place, RawRecord } from './records.ts';

/** Rows of a table from `start` to `end` (exclusive), counted from 0. */
export interface RowRange {
  start: number;
  end: number;
}

/**
 * The rows of a Parquet file as plain objects; nested columns (lists of messages) as JSON has them, but without their
 * null fields: tables have no other way to say that a message has no such key.
 *
 * @param range the rows to read; all unless given. Row groups outside of it are not unpacked.
 */
export async function* readParquet(path: string, name: string = path, range?: RowRange): AsyncGenerator<RawRecord> {
  const all = `SELECT * FROM read_parquet(${quote(path)})`;
  const some = (rows: RowRange) =>
    `SELECT * EXCLUDE (file_row_number) FROM read_parquet(${quote(path)}, file_row_number=true)
     WHERE file_row_number >= ${rows.start} AND file_row_number < ${rows.end}`;
  yield* withDuckDb(name, async function* (connection) {
    refuseDuplicates(await parquetColumns(connection, path), name);
    const sql = range === undefined ? all : some(range);
    for await (const record of streamRows(connection, sql, name, range?.start)) {
      for (const cell of Object.values(record.value)) if (isNested(cell)) dropNulls(cell);
      yield record;
    }
  });
}

/** Ranges of whole row groups of a Parquet file, each of about `targetBytes` unpacked. */
export async function rangesOfParquet(path: string, name: string, targetBytes: number): Promise<RowRange[]> {
  const sql = `SELECT max(row_group_num_rows)::DOUBLE AS num_rows, sum(total_uncompressed_size)::DOUBLE AS bytes
    FROM parquet_metadata(${quote(path)}) GROUP BY row_group_id ORDER BY row_group_id`;
  const ranges: RowRange[] = [];
  let range: RowRange = { start: 0, end: 0 };
  let rangeBytes = 0;
  const groups = withDuckDb(name, (connection) => streamRows(connection, sql, name));
  for await (const { value } of groups) {
    const { num_rows: rows, bytes } = value as { num_rows: number; bytes: number };
    range.end += rows;
    rangeBytes += bytes;
    if (rangeBytes < targetBytes) continue;
    ranges.push(range);
    range = { start: range.end, end: range.end };
    rangeBytes = 0;
  }
  if (range.end > range.start || ranges.length === 0) ranges.push(range);
  return ranges;
}

/** The top-level columns by the file's own names, which DuckDB would make unique. */
async function parquetColumns(connection: DuckDBConnection, path: string): Promise<string[]> {
  const sql = `SELECT name, coalesce(num_children, 0)::INTEGER FROM parquet_schema(${quote(path)})`;
  const fields = (await connection.runAndReadAll(sql)).getRowsJson() as [string, number][];
  const columns: string[] = [];
  /** Fields still to come at each level above the next one; the first field is the root. */
  const left: number[] = [];
  for (const [name, children] of fields) {
    if (left.length === 1) columns.push(name);
    if (left.length > 0) left[left.length - 1]!--;
    if (children > 0) left.push(children);
    while (left.at(-1) === 0) left.pop();
  }
  return columns;
}

function isNested(cell: unknown): cell is object {
  return typeof cell === 'object' && cell !== null;
}

function dropNulls(cell: object): void {
  for (const [key, value] of Object.entries(cell)) {
    if (isNested(value)) dropNulls(value);
    else if (value === null && !Array.isArray(cell)) delete (cell as Record<string, unknown>)[key];
  }
}

/** The files that a pattern with *, ? or [] means, sorted; `**` spans folders. */
export async function expandGlob(pattern: string): Promise<string[]> {
  const files: string[] = [];
  const sql = `SELECT file FROM glob(${quote(pattern)})`;
  for await (const { value } of withDuckDb(pattern, (connection) => streamRows(connection, sql, pattern))) {
    files.push(value['file'] as string);
  }
  return files.sort();
}

type TableRow = Place & { value: Record<string, unknown> };

async function* streamRows(
  connection: DuckDBConnection,
  sql: string,
  name: string,
  firstRow = 0,
): AsyncGenerator<TableRow> {
  const result = await connection.stream(sql);
  const columns = result.deduplicatedColumnNames();
  let row = firstRow;
  for await (const rows of result.yieldRowsJson()) {
    for (const cells of rows) {
      row++;
      const value: Record<string, unknown> = {};
      for (let i = 0; i < columns.length; i++) value[columns[i]!] = cells[i] ?? null;
      yield { where: `${name} row ${row}`, row, value };
    }
  }
}

/** One thread: rows keep their order and the memory stays small; reading is not what takes the time. */
async function* withDuckDb(
  name: string,
  use: (connection: DuckDBConnection) => AsyncGenerator<TableRow>,
): AsyncGenerator<TableRow> {
  const settings = {
    threads: '1',
    memory_limit: '512MB',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  };
  const instance = await DuckDBInstance.create(':memory:', settings);
  try {
    const connection = await instance.connect();
    try {
      yield* use(connection);
    } catch (error) {
      throw explain(error, name);
    } finally {
      connection.closeSync();
    }
  } finally {
    instance.closeSync();
  }
}

function explain(error: unknown, name: string): unknown {
  if (error instanceof LlmkitError || !(error instanceof Error)) return error;
  const parquet = { expected: 'a whole Parquet file', hint: 'copy or download the file again' };
  return new LlmkitError('data', `${name} cannot be read: ${sentence(error.message)}`, {
    where: name,
    ...(/parquet/i.test(error.message) ? parquet : {}),
    cause: error,
  });
}

/** DuckDB's messages go on for many lines of advice on its own options; the first sentence says what is wrong. */
function sentence(message: string): string {
  return message
    .split('\n')[0]!
    .replace(/^[A-Za-z ]*Error: /, '')
    .trim();
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
