import { statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { displayPath, type SourceConfig } from '../config/index.ts';
import { LlmkitError } from '../core/errors.ts';
import { expandGlob, readCsv, readParquet } from '../io/duckdb.ts';
import { readJsonLines, readLines, readText, type SampleBy } from '../io/lines.ts';
import type { RawRecord } from '../io/records.ts';

export type FileFormat = 'jsonl' | 'txt' | 'csv' | 'parquet';

/** One file of a source, with the format it will be read in and why. */
export interface SourceFile {
  path: string;
  /** What messages call it: relative to the current folder where that is shorter. */
  name: string;
  format: FileFormat;
  /** How a txt file is cut into rows. */
  sampleBy: SampleBy;
  /** For a person: format and cut, and what they were told from. */
  found: string;
}

/** How much of a txt file is looked at for blank lines. */
const LOOK_BYTES = 2 ** 18;

const FORMAT_OF_EXTENSION: Record<string, FileFormat> = {
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.json': 'jsonl',
  '.txt': 'txt',
  '.text': 'txt',
  '.md': 'txt',
  '.csv': 'csv',
  '.tsv': 'csv',
  '.parquet': 'parquet',
  '.pq': 'parquet',
};

/**
 * The files that a source's path means (a file, a folder or a pattern), sorted by name, each with its format.
 *
 * @param where the config key, for errors.
 * @throws LlmkitError('data') when there is none, or a format cannot be told from the name.
 */
export async function filesOfSource(path: string, source: SourceConfig, where: string): Promise<SourceFile[]> {
  const paths = await expand(path, where);
  return paths.map((file) => {
    const name = displayPath(file);
    const { format, from } = formatOf(file, name, source, where);
    if (format !== 'txt') return { path: file, name, format, sampleBy: 'line', found: `${format} (${from})` };
    const cut = source.sample_by === 'auto' ? cutOf(file) : { sampleBy: source.sample_by, why: 'config' };
    return { path: file, name, format, sampleBy: cut.sampleBy, found: `txt (${from}) by ${cut.sampleBy} (${cut.why})` };
  });
}

function formatOf(
  file: string,
  name: string,
  source: SourceConfig,
  where: string,
): { format: FileFormat; from: string } {
  if (source.format !== 'auto') return { format: source.format, from: 'config' };
  const extension = extname(file).toLowerCase();
  const format = FORMAT_OF_EXTENSION[extension];
  if (format !== undefined) return { format, from: `from ${extension}` };
  throw new LlmkitError('data', `the format of ${name} cannot be told from its name`, {
    where,
    expected: Object.keys(FORMAT_OF_EXTENSION).join(', '),
    got: extension === '' ? 'no extension' : extension,
    hint: ['.gz', '.zst', '.bz2', '.zip'].includes(extension)
      ? 'unpack it first'
      : 'say it: format: jsonl (or txt, csv, parquet)',
  });
}

/** Texts are kept with a paragraph a line, or with blank lines between paragraphs: the beginning of the file tells. */
function cutOf(file: string): { sampleBy: SampleBy; why: string } {
  let text = false;
  let blank = false;
  let bytes = 0;
  for (const item of readLines(file)) {
    const line = 'text' in item ? item.text : '?';
    if (line.trim() !== '' && text && blank) return { sampleBy: 'paragraph', why: 'blank lines part them' };
    if (line.trim() === '') blank = text;
    else text = true;
    bytes += line.length + 1;
    if (bytes > LOOK_BYTES) break;
  }
  return { sampleBy: 'line', why: 'there are no blank lines' };
}

/** The records of a file, one after another; bad ones as errors in their place. */
export function readRecords(file: SourceFile): AsyncIterable<RawRecord> | Iterable<RawRecord> {
  const { path, name } = file;
  if (file.format === 'jsonl') return readJsonLines(path, { name });
  if (file.format === 'txt') return readText(path, file.sampleBy, { name });
  return file.format === 'csv' ? readCsv(path, name) : readParquet(path, name);
}

async function expand(path: string, where: string): Promise<string[]> {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats?.isFile() === true) return [path];
  if (stats?.isDirectory() === true) {
    const names = (await readdir(path)).filter((name) => extname(name).toLowerCase() in FORMAT_OF_EXTENSION).sort();
    if (names.length > 0) return names.map((name) => join(path, name));
    throw noFiles(`the folder ${displayPath(path)} holds no data files`, where);
  }
  if (/[*?[]/.test(basename(path)) || path.includes('**')) {
    const files = await expandGlob(path);
    if (files.length > 0) return files;
    throw noFiles(`no file matches ${displayPath(path)}`, where);
  }
  throw new LlmkitError('data', `there is no file ${displayPath(path)}`, {
    where,
    hint: 'paths in a config are relative to the config file',
  });
}

function noFiles(message: string, where: string): LlmkitError {
  return new LlmkitError('data', message, { where, expected: Object.keys(FORMAT_OF_EXTENSION).join(', ') });
}
