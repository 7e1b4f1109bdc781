import { statSync } from 'node:fs';
import { extname } from 'node:path';
import { displayPath, type SourceConfig } from '../../config/index.ts';
import { LlmkitError } from '../../core/errors.ts';
import { type JsonShape, jsonShapeOf } from '../../io/json-shape.ts';
import { LineSplitter } from '../../io/lines.ts';
import type { SampleBy } from '../../io/text.ts';
import { type Packing, packingOf, peek, unpackedChunks } from '../../io/unpack.ts';
import { expand } from './expand.ts';

export type FileFormat = Exclude<SourceConfig['format'], 'auto'>;

/** One file of a source, with the format it will be read in and why. Plain data: it crosses threads and files. */
export interface SourceFile {
  path: string;
  /** What messages call it: relative to the current folder where that is shorter. */
  name: string;
  format: FileFormat;
  packing: Packing;
  /** What a row's number counts: lines, rows of a table, or nothing since the file is one document. */
  placeStyle: 'line' | 'row' | 'file';
  /** How a txt file is cut into rows. */
  sampleBy: SampleBy;
  /** How a json file keeps its rows. */
  json?: JsonShape;
  /** Its one row is markup, to be made into text. */
  html: boolean;
  /** For a person: format and cut, and what they were told from. */
  found: string;
}

/** A part of a file that one task reads. */
export interface Shard {
  file: SourceFile;
  /** First byte, and the one after the last; of a Parquet file, rows from 0. */
  start: number;
  end: number;
  /** The number of its first line or row. */
  firstRow: number;
}

/** How much of a txt file is looked at for blank lines. */
const LOOK_BYTES = 2 ** 18;

const FORMAT_OF_EXTENSION: Record<string, FileFormat> = {
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.jsonlines': 'jsonl',
  '.json': 'json',
  '.txt': 'txt',
  '.text': 'txt',
  '.md': 'txt',
  '.markdown': 'txt',
  '.csv': 'csv',
  '.tsv': 'csv',
  '.parquet': 'parquet',
  '.pq': 'parquet',
  '.arrow': 'arrow',
  '.feather': 'arrow',
  '.ipc': 'arrow',
  '.html': 'html',
  '.htm': 'html',
  '.xhtml': 'html',
};

const EXPECTED = `${Object.keys(FORMAT_OF_EXTENSION).join(', ')}, each also .gz or .zst`;
const DOCUMENT_FORMATS: ReadonlySet<FileFormat> = new Set(['txt', 'html']);

/** The place of a row, as its record's `where` says it. */
export function placeOf(file: SourceFile, row: number): string {
  if (file.placeStyle === 'file') return file.name;
  return file.placeStyle === 'line' ? `${file.name}:${row}` : `${file.name} row ${row}`;
}

/**
 * The files that a source's path means (a file, a folder with all that is in it, or a pattern), sorted by name, each
 * with its format. A folder gives the files whose names say a format (the one that the config names, if it does).
 *
 * @param where the config key, for errors.
 * @throws LlmkitError('data') when there is none, one is empty, a format cannot be told from the name, or a folder mixes
 * documents with tables.
 */
export async function filesOfSource(path: string, source: SourceConfig, where: string): Promise<SourceFile[]> {
  const wanted = source.format;
  const isData = (file: string) => {
    const format = FORMAT_OF_EXTENSION[extensionOf(file).extension];
    return format !== undefined && (wanted === 'auto' || wanted === format);
  };
  const { paths, fromFolder } = await expand(path, where, isData, wanted === 'auto' ? EXPECTED : `${wanted} files`);
  if (fromFolder && wanted === 'auto') refuseMixture(path, paths, where);
  const files: SourceFile[] = [];
  for (const file of paths) files.push(await describe(file, source, where));
  return files;
}

async function describe(path: string, source: SourceConfig, where: string): Promise<SourceFile> {
  const name = displayPath(path);
  if (statSync(path).size === 0) throw new LlmkitError('data', `${name} is empty`, { where });
  const { format, from } = formatOf(path, name, source, where);
  const packing = packingOf(path);
  refuseMisnamed(path, packing, name, where);
  const packed = packing === 'none' ? '' : `, unpacked from ${packing}`;
  const file: SourceFile = {
    path,
    name,
    format,
    packing,
    placeStyle: 'row',
    sampleBy: 'line',
    html: format === 'html',
    found: `${format} (${from}${packed})`,
  };
  if (format === 'jsonl') return { ...file, placeStyle: 'line' };
  if (format === 'html') return { ...file, placeStyle: 'file' };
  if (format === 'json') {
    const json = await jsonShapeOf(unpackedChunks(path, packing, name), name);
    const placeStyle = json.kind === 'lines' ? 'line' : json.kind === 'one' ? 'file' : 'row';
    return { ...file, placeStyle, json, found: `${file.found}: ${saysShape(json)}` };
  }
  if (format !== 'txt') return file;
  const cut =
    source.sample_by === 'auto'
      ? cutOf(await peek(path, packing, LOOK_BYTES, name), name)
      : { sampleBy: source.sample_by, why: 'config' };
  const placeStyle = cut.sampleBy === 'document' ? 'file' : 'line';
  const found = `${file.found} by ${cut.sampleBy} (${cut.why})`;
  return { ...file, placeStyle, sampleBy: cut.sampleBy, found };
}

function saysShape(json: JsonShape): string {
  if (json.kind === 'array') return 'an array of rows';
  if (json.kind === 'object') return `rows under ${json.key}`;
  return json.kind === 'one' ? 'one row' : 'a row a line';
}

/** The extension that says the format, and the one that says how the file is packed. */
function extensionOf(path: string): { extension: string; packed: string } {
  const last = extname(path).toLowerCase();
  if (last !== '.gz' && last !== '.zst') return { extension: last, packed: '' };
  return { extension: extname(path.slice(0, -last.length)).toLowerCase(), packed: last };
}

function formatOf(
  path: string,
  name: string,
  source: SourceConfig,
  where: string,
): { format: FileFormat; from: string } {
  if (source.format !== 'auto') return { format: source.format, from: 'config' };
  const { extension } = extensionOf(path);
  const format = FORMAT_OF_EXTENSION[extension];
  if (format !== undefined) return { format, from: `from ${extension}` };
  throw new LlmkitError('data', `the format of ${name} cannot be told from its name`, {
    where,
    expected: EXPECTED,
    got: extension === '' ? 'no extension' : extension,
    hint: ['.bz2', '.xz', '.zip', '.tar', '.tgz', '.7z'].includes(extension)
      ? 'unpack it first'
      : 'say it: format: jsonl (or json, txt, csv, parquet, arrow, html)',
  });
}

function refuseMisnamed(path: string, packing: Packing, name: string, where: string): void {
  const { packed } = extensionOf(path);
  if (packed === '' || packed === `.${packing}`) return;
  throw new LlmkitError('data', `${name} is not packed as its name says`, {
    where,
    expected: packed === '.gz' ? 'a gzip file' : 'a zstd file',
    got: packing === 'none' ? 'a file that begins otherwise' : `a ${packing} file`,
    hint: 'download it again, or give it the name it should have',
  });
}

/** Documents beside tables in a folder are likelier a README than data. */
function refuseMixture(path: string, files: readonly string[], where: string): void {
  const counts = new Map<FileFormat, number>();
  for (const file of files) {
    const format = FORMAT_OF_EXTENSION[extensionOf(file).extension] ?? 'arrow';
    counts.set(format, (counts.get(format) ?? 0) + 1);
  }
  const formats = [...counts.keys()];
  const documents = formats.filter((format) => DOCUMENT_FORMATS.has(format));
  if (documents.length === 0 || documents.length === formats.length) return;
  throw new LlmkitError('data', `the folder ${displayPath(path)} holds documents and tables`, {
    where,
    got: [...counts].map(([format, count]) => `${count} ${format}`).join(', '),
    hint: `say which: format: ${formats.find((format) => !DOCUMENT_FORMATS.has(format))!} for this source`,
  });
}

/** Texts are kept with a paragraph a line, or with blank lines between paragraphs: the beginning of the file tells. */
function cutOf(head: Buffer, name: string): { sampleBy: SampleBy; why: string } {
  let text = false;
  let blank = false;
  const splitter = new LineSplitter({ name });
  for (const item of [...splitter.push(head), ...splitter.end()]) {
    const isBlank = 'text' in item && item.text.trim() === '';
    if (!isBlank && text && blank) return { sampleBy: 'paragraph', why: 'blank lines part them' };
    if (isBlank) blank = text;
    else text = true;
  }
  return { sampleBy: 'line', why: 'there are no blank lines' };
}
