import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { LlmkitError } from '../../core/errors.ts';
import { BufferedFile } from '../../io/buffered-file.ts';
import { readLines } from '../../io/lines.ts';
import type { Example } from '../types.ts';
import { pad, type Work } from './work.ts';

/**
 * Bytes of rows after which a task of `read` begins another part: what the later stages take at a time. Twice what such a
 * task reads, so that a shard of lines gives one part; a large file that is one shard gives many.
 */
const PART_BYTES = 64 * 2 ** 20;
export const HASH_BYTES = 16;

/** A run of rows as `read` leaves it; the later stages work part by part. */
export interface Part {
  /** Its files are parts/<name>.<column>. */
  name: string;
  rows: number;
  /** Index in the plan's list of sources. */
  source: number;
  /** UTF-16 units of text in all rows. */
  characters: number;
}

/** What is kept of a row beside itself. */
export interface RowFacts {
  /** Index in the plan's list of files, and line or row in it. */
  file: number;
  place: number;
  /** [16], of the text: equal rows have equal hashes. */
  hash: Uint8Array;
  /** UTF-16 units. */
  characters: number;
  /** [2 * bands], band hashes as (low, high); undefined where near duplicates are not looked for. */
  bands: Uint32Array | undefined;
}

/** Columns of a part, one fixed-size entry a row. `bands` is stored band by band: [bands][rows][2] uint32. */
const COLUMNS = ['hashes', 'places', 'lengths', 'bands'] as const;
type Column = (typeof COLUMNS)[number];

export function partFile(name: string, column: Column | 'rows'): string {
  return `parts/${name}.${column}`;
}

/** Writes the rows of one `read` task, part after part. */
export class PartWriter {
  readonly parts: Part[] = [];
  readonly outputs: string[] = [];
  readonly #work: Work;
  readonly #task: number;
  readonly #source: number;
  readonly #bands: number;
  #file: BufferedFile | undefined;
  #facts: RowFacts[] = [];

  /** @param bands of MinHash; 0 where near duplicates are not looked for. */
  constructor(work: Work, task: number, source: number, bands: number) {
    this.#work = work;
    this.#task = task;
    this.#source = source;
    this.#bands = bands;
  }

  append(example: Example, facts: RowFacts): void {
    this.#file ??= this.#create('rows');
    this.#file.write(`${JSON.stringify(example)}\n`);
    this.#facts.push(facts);
    if (this.#file.bytes >= PART_BYTES) this.#end();
  }

  finish(): void {
    if (this.#file !== undefined) this.#end();
  }

  abort(): void {
    this.#file?.abort();
    this.#file = undefined;
  }

  get #name(): string {
    return `${pad(this.#task)}-${pad(this.parts.length)}`;
  }

  #create(column: Column | 'rows'): BufferedFile {
    const path = partFile(this.#name, column);
    this.outputs.push(path);
    return new BufferedFile(this.#work.path(path), 'the rows');
  }

  #end(): void {
    this.#file!.finish();
    this.#file = undefined;
    const facts = this.#facts;
    this.#facts = [];
    const rows = facts.length;
    const hashes = new Uint8Array(rows * HASH_BYTES);
    const places = new Uint32Array(2 * rows);
    const lengths = new Uint32Array(rows);
    const bands = new Uint32Array(2 * this.#bands * rows);
    let characters = 0;
    for (const [row, fact] of facts.entries()) {
      hashes.set(fact.hash, row * HASH_BYTES);
      places[2 * row] = fact.file;
      places[2 * row + 1] = fact.place;
      lengths[row] = fact.characters;
      characters += fact.characters;
      for (let band = 0; band < this.#bands; band++) {
        bands[2 * (band * rows + row)] = fact.bands![2 * band]!;
        bands[2 * (band * rows + row) + 1] = fact.bands![2 * band + 1]!;
      }
    }
    for (const [column, values] of Object.entries({ hashes, places, lengths, bands })) {
      if (column === 'bands' && this.#bands === 0) continue;
      const file = this.#create(column as Column);
      file.write(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      file.finish();
    }
    this.parts.push({ name: this.#name, rows, source: this.#source, characters });
  }
}

/** The rows of a part, in order. */
export function* readPart(work: Work, part: Part): Generator<Example> {
  const path = work.path(partFile(part.name, 'rows'));
  for (const item of readLines(path, { maxBytes: Number.POSITIVE_INFINITY })) {
    if ('error' in item) {
      throw new LlmkitError('bug', 'a row changed between two stages', { where: path, cause: item.error });
    }
    yield JSON.parse(item.text) as Example;
  }
}

/** [rows * 16] */
export function readHashes(work: Work, part: Part): Uint8Array {
  return readFileSync(work.path(partFile(part.name, 'hashes')));
}

/** [rows] */
export function readLengths(work: Work, part: Part): Uint32Array {
  return words(readFileSync(work.path(partFile(part.name, 'lengths'))));
}

/** [2 * rows]: (file, place) of every row. */
export function readPlaces(work: Work, part: Part): Uint32Array {
  return words(readFileSync(work.path(partFile(part.name, 'places'))));
}

/** (file, place) of one row. */
export function readPlace(work: Work, part: Part, row: number): [number, number] {
  const [file, place] = words(readRange(work.path(partFile(part.name, 'places')), row * 8, 8));
  return [file!, place!];
}

/** [2 * rows]: (low, high) of one band. */
export function readBand(work: Work, part: Part, band: number): Uint32Array {
  const bytes = part.rows * 8;
  return words(readRange(work.path(partFile(part.name, 'bands')), band * bytes, bytes));
}

function readRange(path: string, from: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  const fd = openSync(path, 'r');
  try {
    if (readSync(fd, buffer, 0, bytes, from) < bytes) {
      throw new LlmkitError('bug', 'a part is shorter than it was', { where: path });
    }
  } finally {
    closeSync(fd);
  }
  return buffer;
}

/** Numbers in the machine's byte order: the work folder stays on machines of one kind. */
function words(bytes: Buffer): Uint32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : Buffer.from(new Uint8Array(bytes));
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
}
