import { createHash } from 'node:crypto';
import { readArrow } from '../../io/arrow-table.ts';
import { readChunks } from '../../io/bytes.ts';
import { CsvRows } from '../../io/csv.ts';
import { rangesOfParquet, readParquet } from '../../io/duckdb.ts';
import { JsonDocument, JsonRows } from '../../io/json-document.ts';
import { JsonLines } from '../../io/json-lines.ts';
import { type ChunkParser, type RawRecord, recordsOf } from '../../io/records.ts';
import { HtmlDocument, TextDocuments } from '../../io/text.ts';
import { unpackedChunks, withUnpacked } from '../../io/unpack.ts';
import type { Shard, SourceFile } from './sources.ts';

export type { Shard } from './sources.ts';

export interface ReadOptions {
  /** The longest row in bytes; 64 MB unless given. */
  maxBytes?: number;
  /** Where a packed Parquet file is unpacked to while it is read; the system's temporary folder unless given. */
  workDir?: string;
}

/** What one pass over a file tells: its hash, and where it can be cut. */
export interface Cut {
  shards: Shard[];
  sha256: string;
  bytes: number;
  /** How many rows it has at most, where a row is a line or the file says it; for progress. */
  rows?: number;
}

const SHARD_BYTES = 32 * 2 ** 20;
const LF = 10;

/**
 * Cuts a file into parts of about `targetBytes` for tasks of their own, and hashes it in the same pass. JSON lines and
 * texts by line are cut between lines, texts by paragraph at blank lines, Parquet files between row groups; files of other
 * kinds, and packed ones, are one shard.
 *
 * @throws LlmkitError('io') when the file cannot be read.
 */
export async function shardsOf(file: SourceFile, targetBytes: number = SHARD_BYTES): Promise<Cut> {
  const hash = createHash('sha256');
  const borders = new Borders(file, targetBytes);
  let bytes = 0;
  for (const chunk of readChunks(file.path)) {
    hash.update(chunk);
    if (borders.wanted) borders.look(chunk, bytes);
    bytes += chunk.length;
  }
  const sha256 = hash.digest('hex');
  if (file.format === 'parquet' && file.packing === 'none') {
    const ranges = await rangesOfParquet(file.path, file.name, targetBytes);
    const shards = ranges.map((range) => ({ file, ...range, firstRow: range.start + 1 }));
    return { shards, sha256, bytes, rows: ranges.at(-1)?.end ?? 0 };
  }
  const starts = borders.starts.filter(({ start }) => start < bytes);
  const shards = starts.map(({ start, firstRow }, i) => ({
    file,
    start,
    firstRow,
    end: starts[i + 1]?.start ?? bytes,
  }));
  return {
    shards: bytes === 0 ? [{ file, start: 0, end: 0, firstRow: 1 }] : shards,
    sha256,
    bytes,
    ...(borders.wanted && file.sampleBy !== 'paragraph' ? { rows: borders.lines } : {}),
  };
}

/** Where shards may begin. */
class Borders {
  readonly wanted: boolean;
  readonly starts: { start: number; firstRow: number }[] = [{ start: 0, firstRow: 1 }];
  readonly #targetBytes: number;
  readonly #paragraphs: boolean;
  /** Lines that ended so far. */
  #lines = 0;
  /** The line that the pass is in has nothing but white space so far. */
  #blank = true;

  constructor(file: SourceFile, targetBytes: number) {
    this.wanted = file.packing === 'none' && file.placeStyle === 'line';
    this.#paragraphs = file.format === 'txt' && file.sampleBy === 'paragraph';
    this.#targetBytes = targetBytes;
  }

  /** Lines of all that was looked at, one more than ended. */
  get lines(): number {
    return this.#lines + 1;
  }

  look(chunk: Buffer, position: number): void {
    let at = 0;
    while (at < chunk.length) {
      // Lines are only counted until a shard is large enough.
      const target = this.starts.at(-1)!.start + this.#targetBytes - position;
      const upTo = Math.min(chunk.length, Math.max(at, target));
      this.#lines += countLineEnds(chunk, at, upTo);
      if (this.#paragraphs) this.#blank = this.#isBlankAfter(chunk, at, upTo);
      at = upTo;
      if (at === chunk.length) return;
      const end = chunk.indexOf(LF, at);
      const line = chunk.subarray(at, end < 0 ? chunk.length : end);
      const blank = this.#blank && isBlank(line);
      if (end < 0) {
        this.#blank = blank;
        return;
      }
      this.#lines++;
      this.#blank = true;
      at = end + 1;
      if (!this.#paragraphs || blank) this.starts.push({ start: position + at, firstRow: this.#lines + 1 });
    }
  }

  /** Whether the line that is open at `upTo` is blank up to there. */
  #isBlankAfter(chunk: Buffer, from: number, upTo: number): boolean {
    if (upTo === from) return this.#blank;
    const lineEnd = chunk.subarray(from, upTo).lastIndexOf(LF);
    const open = chunk.subarray(lineEnd < 0 ? from : from + lineEnd + 1, upTo);
    return (lineEnd >= 0 || this.#blank) && isBlank(open);
  }
}

/** ASCII white space only: a border is missed where a line holds other blanks, which only makes a shard longer. */
function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 32 || (byte >= 9 && byte <= 13));
}

function countLineEnds(bytes: Buffer, from: number, to: number): number {
  let count = 0;
  for (let i = from; i < to; i++) if (bytes[i] === LF) count++;
  return count;
}

/**
 * The records of a shard, one after another; bad ones as errors in their place. Plain text formats (and those packed by
 * zstd) come at once, others as they come.
 *
 * @throws LlmkitError('data') for damage that leaves no next record to go on with; ('io').
 */
export function readShard(shard: Shard, options: ReadOptions = {}): Iterable<RawRecord> | AsyncIterable<RawRecord> {
  const { file, start, end, firstRow } = shard;
  const { path, name, packing } = file;
  switch (file.format) {
    case 'parquet':
      return withUnpacked(path, packing, name, options.workDir, (plain) =>
        readParquet(plain, name, packing === 'none' && Number.isFinite(end) ? { start, end } : undefined),
      );
    case 'arrow':
      return readArrow(unpackedChunks(path, packing, name), name);
    default: {
      const maxBytes = options.maxBytes === undefined ? {} : { maxBytes: options.maxBytes };
      const chunks = packing === 'none' ? readChunks(path, start, end) : unpackedChunks(path, packing, name);
      return recordsOf(chunks, parserOf(file, { name, firstRow, ...maxBytes }));
    }
  }
}

function parserOf(file: SourceFile, options: { name: string; firstRow: number; maxBytes?: number }): ChunkParser {
  const { firstRow: firstLine, ...rest } = options;
  if (file.format === 'csv') return new CsvRows(rest);
  if (file.format === 'html') return new HtmlDocument(rest);
  if (file.format === 'txt') return new TextDocuments(file.sampleBy, { ...rest, firstLine });
  const { json } = file;
  if (json?.kind === 'array') return new JsonRows(undefined, rest);
  if (json?.kind === 'object') return new JsonRows(json.key, rest);
  return json?.kind === 'one' ? new JsonDocument(rest) : new JsonLines({ ...rest, firstLine });
}

/** The records of a whole file. */
export function readRecords(
  file: SourceFile,
  options: ReadOptions = {},
): Iterable<RawRecord> | AsyncIterable<RawRecord> {
  return readShard({ file, start: 0, end: Number.POSITIVE_INFINITY, firstRow: 1 }, options);
}
