import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';
import { LlmkitError } from '../core/errors.ts';
import { refuseDuplicates } from './columns.ts';
import type { RawRecord } from './records.ts';

/**
 * The rows of a Parquet file as plain objects; nested columns (lists of messages) as JSON has them, but without their
 * null fields: tables have no other way to say that a message has no such key.
 */
export async function* readParquet(path: string, name: string = path): AsyncGenerator<RawRecord> {
  yield* withDuckDb(path, name, async function* (connection) {
    refuseDuplicates(await parquetColumns(connection, path), name);
    for await (const record of streamRows(connection, `SELECT * FROM read_parquet(${quote(path)})`, name)) {
      const row = (record as { value: Record<string, unknown> }).value;
      for (const cell of Object.values(row)) if (isNested(cell)) dropNulls(cell);
      yield record;
    }
  });
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
  for await (const row of withDuckDb(pattern, pattern, (connection) =>
    streamRows(connection, `SELECT file FROM glob(${quote(pattern)})`, pattern),
  )) {
    if ('value' in row) files.push((row.value as { file: string }).file);
  }
  return files.sort();
}

async function* streamRows(connection: DuckDBConnection, sql: string, name: string): AsyncGenerator<RawRecord> {
  const result = await connection.stream(sql);
  const columns = result.deduplicatedColumnNames();
  let row = 0;
  for await (const rows of result.yieldRowsJson()) {
    for (const cells of rows) {
      row++;
      const value = Object.fromEntries(columns.map((column, i) => [column, cells[i] ?? null]));
      yield { where: `${name} row ${row}`, row, value };
    }
  }
}

/** One thread: rows keep their order and the memory stays small; reading is not what takes the time. */
async function* withDuckDb(
  path: string,
  name: string,
  use: (connection: DuckDBConnection) => AsyncGenerator<RawRecord>,
): AsyncGenerator<RawRecord> {
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
      throw explain(error, path, name);
    } finally {
      connection.closeSync();
    }
  } finally {
    instance.closeSync();
  }
}

function explain(error: unknown, path: string, name: string): unknown {
  if (error instanceof LlmkitError || !(error instanceof Error)) return error;
  const parquet = /parquet/i.test(error.message);
  return new LlmkitError('data', `${name} cannot be read: ${sentence(error.message)}`, {
    where: name,
    expected: parquet ? 'a whole Parquet file' : 'UTF-8 text with a header line',
    hint: parquet ? 'copy or download the file again' : `look at its first lines: head -n 3 ${path}`,
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
