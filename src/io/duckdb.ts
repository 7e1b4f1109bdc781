import { closeSync, openSync, readSync } from 'node:fs';
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';
import { LlmkitError } from '../core/errors.ts';
import { ioError } from './atomic.ts';
import type { RawRecord } from './records.ts';

/** The longest CSV row (DuckDB's own default of 2 MB would refuse long documents), and the buffer it is read through. */
const MAX_ROW_BYTES = 8 * 2 ** 20;
const BUFFER_BYTES = 2 * MAX_ROW_BYTES;
const HEADER_BYTES = 64 * 1024;
const DELIMITERS = [',', '\t', ';', '|'];

/**
 * The rows of a CSV (or TSV) file with a header line, as objects of strings; an empty cell is ''. Everything is text:
 * no type is guessed. Quoting is RFC 4180's; the delimiter is the one the header line holds most of. Rows that do not
 * fit the header, or are not UTF-8, come last, each as an error with its line.
 *
 * @param name of the file in messages.
 */
export async function* readCsv(path: string, name: string = path): AsyncGenerator<RawRecord> {
  const header = headerLine(path, name);
  const delimiter = delimiterOf(header);
  const columns = splitHeader(header, delimiter, name).map((column) => `${quote(column)}: 'VARCHAR'`);
  const options = [
    // Nothing is left to DuckDB's sniffer: on a damaged file it would rather give up quoting than report the damage.
    `auto_detect=false, columns={${columns.join(', ')}}, delim=${quote(delimiter)}, quote='"', escape='"', header=true`,
    `store_rejects=true, rejects_limit=0, null_padding=false, max_line_size=${MAX_ROW_BYTES}, buffer_size=${BUFFER_BYTES}`,
  ].join(', ');
  yield* withDuckDb(path, name, async function* (connection) {
    yield* streamRows(connection, `SELECT * FROM read_csv(${quote(path)}, ${options})`, name, '');
    const rejects = await connection.runAndReadAll(
      'SELECT line, error_type::VARCHAR, csv_line, error_message FROM reject_errors ORDER BY line, column_idx',
    );
    let previous: unknown;
    for (const [line, , text, message] of rejects.getRowsJson()) {
      if (line === previous) continue;
      previous = line;
      const where = `${name}:${String(line)}`;
      const error = new LlmkitError('data', `the row cannot be read: ${sentence(String(message))}`, {
        where,
        got: String(text).slice(0, 80),
        hint: 'mend the row (quote cells that hold the delimiter), or set prepare.malformed: skip',
      });
      yield { where, error };
    }
  });
}

/** The rows of a Parquet file as plain objects; nested columns (lists of messages) as JSON has them. */
export async function* readParquet(path: string, name: string = path): AsyncGenerator<RawRecord> {
  yield* withDuckDb(path, name, (connection) =>
    streamRows(connection, `SELECT * FROM read_parquet(${quote(path)})`, name, null),
  );
}

/** The delimiter of a CSV file, guessed from its header line: the candidate that occurs most outside quotes. */
export function delimiterOf(header: string): string {
  const bare = header.replaceAll(/"(?:[^"]|"")*"/g, '');
  const counts = DELIMITERS.map((delimiter) => bare.split(delimiter).length - 1);
  return DELIMITERS[counts.indexOf(Math.max(...counts))]!;
}

function splitHeader(header: string, delimiter: string, name: string): string[] {
  const cell = new RegExp(`"((?:[^"]|"")*)"|[^${delimiter === '\t' ? '\\t' : `\\${delimiter}`}]+`, 'g');
  const columns = [...header.matchAll(cell)].map(([whole, quoted]) => (quoted ?? whole).replaceAll('""', '"').trim());
  const twice = columns.find((column, i) => columns.indexOf(column) !== i);
  const missing = header.replaceAll(/"(?:[^"]|"")*"/g, '').split(delimiter).length !== columns.length;
  if (twice === undefined && !missing && !columns.includes('')) return columns;
  throw new LlmkitError('data', `${name} has a header line that does not name its columns`, {
    where: `${name}:1`,
    expected: 'every column once, none empty',
    got: header.slice(0, 80),
  });
}

/** The files that a pattern with *, ? or [] means, sorted; `**` spans folders. */
export async function expandGlob(pattern: string): Promise<string[]> {
  const files: string[] = [];
  for await (const row of withDuckDb(pattern, pattern, (connection) =>
    streamRows(connection, `SELECT file FROM glob(${quote(pattern)})`, pattern, ''),
  )) {
    if ('value' in row) files.push((row.value as { file: string }).file);
  }
  return files.sort();
}

async function* streamRows(
  connection: DuckDBConnection,
  sql: string,
  name: string,
  empty: null | '',
): AsyncGenerator<RawRecord> {
  const result = await connection.stream(sql);
  const columns = result.deduplicatedColumnNames();
  let row = 0;
  for await (const rows of result.yieldRowsJson()) {
    for (const cells of rows) {
      row++;
      const value = Object.fromEntries(columns.map((column, i) => [column, cells[i] ?? empty]));
      yield { where: `${name} row ${row}`, value };
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

function headerLine(path: string, name: string): string {
  const buffer = Buffer.alloc(HEADER_BYTES);
  let bytes: number;
  try {
    const fd = openSync(path, 'r');
    try {
      bytes = readSync(fd, buffer, 0, HEADER_BYTES, 0);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw ioError(error, `cannot open ${path}`, path);
  }
  const line = buffer
    .toString('utf8', 0, bytes)
    .replace(/^\ufeff/, '')
    .split(/\r?\n/, 1)[0]!;
  if (line.trim() !== '') return line;
  throw new LlmkitError('data', `${name} has no header line`, {
    where: `${name}:1`,
    expected: 'column names on the first line',
    got: bytes === 0 ? 'an empty file' : 'a blank line',
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
