import { BufferedFile } from '../../io/buffered-file.ts';
import { GroupTable } from '../dedup/group-table.ts';
import { HASH_BYTES, type Part, readBand, readHashes } from './parts.ts';
import type { Pulse } from './pulse.ts';
import { pad, type StageName, type Work } from './work.ts';

/** Rows whose hashes one task holds at a time: about 200 MB. */
const ROWS_AT_ONCE = 8 * 2 ** 20;

/** Into how many ranges of hashes a comparison of this many rows is cut: one task each. */
export function slicesOf(rows: number): number {
  return Math.max(1, 2 ** Math.ceil(Math.log2(rows / ROWS_AT_ONCE)));
}

/** What a task of `exact` or `near` found: edges/<stage>-<n>, pairs of global row numbers as uint32. */
export interface GroupResult {
  edges: number;
  file: string;
}

/** Finds the rows of equal hash in one range of hashes; each gives an edge to the first of its kind. */
export async function exactTask(
  work: Work,
  parts: readonly Part[],
  index: number,
  slices: number,
  pulse: Pulse,
): Promise<{ outputs: string[]; result: GroupResult }> {
  return groupTask(work, 'exact', index, parts, pulse, (part, visit) => {
    const hashes = readHashes(work, part);
    const words = new Uint32Array(hashes.buffer, hashes.byteOffset, hashes.byteLength / 4);
    for (let row = 0; row < part.rows; row++) {
      const at = (row * HASH_BYTES) / 4;
      if ((words[at + 2]! & (slices - 1)) === index) visit(row, words[at]!, words[at + 1]!);
    }
  });
}

/** Finds the rows that share one band's hash, in one range of it. Task `index` is band `index / slices`. */
export async function nearTask(
  work: Work,
  parts: readonly Part[],
  index: number,
  slices: number,
  pulse: Pulse,
): Promise<{ outputs: string[]; result: GroupResult }> {
  const band = Math.floor(index / slices);
  const slice = index % slices;
  return groupTask(work, 'near', index, parts, pulse, (part, visit) => {
    const hashes = readBand(work, part, band);
    for (let row = 0; row < part.rows; row++) {
      const low = hashes[2 * row]!;
      const high = hashes[2 * row + 1]!;
      // Zeros stand for a text without a shingle.
      if ((low !== 0 || high !== 0) && (high & (slices - 1)) === slice) visit(row, low, high);
    }
  });
}

async function groupTask(
  work: Work,
  stage: StageName,
  index: number,
  parts: readonly Part[],
  pulse: Pulse,
  each: (part: Part, visit: (row: number, low: number, high: number) => void) => void,
): Promise<{ outputs: string[]; result: GroupResult }> {
  const table = new GroupTable();
  const edges: number[] = [];
  const file = `edges/${stage}-${pad(index)}`;
  let count = 0;
  let base = 0;
  const out = new BufferedFile(work.path(file), 'the duplicates');
  const flush = () => {
    out.write(new Uint8Array(Uint32Array.from(edges).buffer));
    count += edges.length / 2;
    edges.length = 0;
  };
  try {
    for (const part of parts) {
      each(part, (row, low, high) => {
        const first = table.add(low, high, base + row);
        if (first >= 0) edges.push(first, base + row);
      });
      base += part.rows;
      if (edges.length >= 2 ** 16) flush();
      const wait = pulse.tick(part.rows);
      if (wait !== undefined) await wait;
    }
    flush();
    out.finish();
  } catch (error) {
    out.abort();
    throw error;
  }
  return { outputs: [file], result: { edges: count, file } };
}
