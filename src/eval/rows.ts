import type { EvalTask } from '../config/index.ts';
import { sourceSchema } from '../config/schema/prepare.ts';
import { LlmkitError } from '../core/errors.ts';
import { detectMapping } from '../data/read/detect.ts';
import { mapRow } from '../data/read/map.ts';
import { readRecords } from '../data/read/shards.ts';
import { filesOfSource } from '../data/read/sources.ts';
import type { Row } from '../data/types.ts';

/** A readable record of a file: an object, or a string for text files. */
export interface FileRow {
  /** `file:line`. */
  where: string;
  value: unknown;
}

/** Rows of a task's files. */
export interface RowsRead<T> {
  rows: T[];
  /** How many the files hold. */
  original: number;
  files: string[];
}

/** The first `maxRows` records of a file or glob. A bad record is an error: scores may not hide it. */
export async function readRows(
  path: string,
  source: { format?: string; sample_by?: string },
  maxRows: number | undefined,
  where: string,
): Promise<RowsRead<FileRow>> {
  const parsed = sourceSchema.parse({ path, ...source });
  const rows: FileRow[] = [];
  let original = 0;
  const files = await filesOfSource(path, parsed, where);
  for (const file of files) {
    for await (const record of readRecords(file)) {
      if ('error' in record) throw record.error;
      original++;
      if (maxRows === undefined || rows.length < maxRows) rows.push({ where: record.where, value: record.value });
    }
  }
  if (rows.length === 0) throw new LlmkitError('data', `${path} holds no rows`, { where });
  return { rows, original, files: files.map((file) => file.path) };
}

/** Rows for perplexity, mapped as prepare maps training data. */
export async function readExamples(
  task: Extract<EvalTask, { type: 'perplexity' }>,
  path: string,
  where: string,
): Promise<RowsRead<Row>> {
  const { format, sample_by, columns, prompt_template } = task;
  const { rows, ...read } = await readRows(path, { format, sample_by }, task.max_rows, where);
  const source = sourceSchema.parse({
    path,
    type: task.row_type,
    ...(columns === undefined ? {} : { columns }),
    ...(prompt_template === undefined ? {} : { prompt_template }),
  });
  const first = rows[0]!;
  const mapping = detectMapping(source, first.value, first.where);
  return { ...read, rows: rows.map(({ where, value }) => ({ id: where, example: mapRow(value, mapping, where) })) };
}

/** A column of a row, of the type that is needed. */
export function textColumn(row: FileRow, column: string): string {
  const value = cell(row, column);
  if (typeof value === 'string') return value;
  throw wrong(row, column, 'a text', value);
}

export function cell({ value, where }: FileRow, column: string): unknown {
  const row = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  if (column in row) return row[column];
  throw new LlmkitError('data', `there is no column ${column}`, {
    where,
    got: `columns ${Object.keys(row).join(', ')}`,
    hint: 'name the column in the task',
  });
}

export function wrong({ where }: FileRow, column: string, expected: string, got: unknown): LlmkitError {
  return new LlmkitError('data', `${column} is not what the task needs`, {
    where: `${where} ${column}`,
    expected,
    got: JSON.stringify(got)?.slice(0, 80) ?? 'nothing',
  });
}
