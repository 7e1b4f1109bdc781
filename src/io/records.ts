import type { LlmkitError } from '../core/errors.ts';

/**
 * One record of a source file, or the reason why there is none. A reader goes on after a bad record, so that the caller
 * decides between stopping and counting.
 */
export type RawRecord = Place &
  (
    | {
        /** A string for text, an object for everything else. */
        value: unknown;
      }
    | { error: LlmkitError }
  );

export interface Place {
  /** `file:line` (lines), `file row n` (tables, from 1 without the header), or `file` (a whole document), for messages. */
  where: string;
  /** The number in `where`; 1 for a whole document. */
  row: number;
}

/** Turns the bytes of a file into records, chunk by chunk. A chunk may be overwritten once `push` is through with it. */
export interface ChunkParser {
  push(chunk: Buffer): Iterable<RawRecord>;
  end(): Iterable<RawRecord>;
}

export type Chunks = Iterable<Buffer> | AsyncIterable<Buffer>;

/** The records of a file: at once where its bytes come at once (the fast path), else as they come. */
export function recordsOf(chunks: Iterable<Buffer>, parser: ChunkParser): Iterable<RawRecord>;
export function recordsOf(chunks: Chunks, parser: ChunkParser): Iterable<RawRecord> | AsyncIterable<RawRecord>;
export function recordsOf(chunks: Chunks, parser: ChunkParser): Iterable<RawRecord> | AsyncIterable<RawRecord> {
  return Symbol.iterator in chunks ? recordsAtOnce(chunks, parser) : recordsAsTheyCome(chunks, parser);
}

function* recordsAtOnce(chunks: Iterable<Buffer>, parser: ChunkParser): Generator<RawRecord> {
  for (const chunk of chunks) yield* parser.push(chunk);
  yield* parser.end();
}

async function* recordsAsTheyCome(chunks: AsyncIterable<Buffer>, parser: ChunkParser): AsyncGenerator<RawRecord> {
  for await (const chunk of chunks) {
    // Not yield*, which would await every record on its own.
    for (const record of parser.push(chunk)) yield record;
  }
  for (const record of parser.end()) yield record;
}
