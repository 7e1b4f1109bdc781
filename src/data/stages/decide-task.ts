import { readFileSync } from 'node:fs';
import { LlmkitError } from '../../core/errors.ts';
import { writeFileAtomic } from '../../io/atomic.ts';
import { UnionFind } from '../dedup/union-find.ts';
import { placeOf } from '../read/sources.ts';
import { FATE, FATES, KEPT_AS } from './fates.ts';
import type { GroupResult } from './group-tasks.ts';
import { type Part, readLengths, readPlace } from './parts.ts';
import type { Plan } from './plan.ts';
import { splitRows } from './split.ts';
import type { Work } from './work.ts';

/** Clusters that the report shows, and members of each. */
const CLUSTERS_SHOWN = 20;
const MEMBERS_SHOWN = 6;

export interface DecideResult {
  exact: number;
  near: number;
  /** UTF-16 units of the rows dropped as duplicates. */
  characters: number;
  validation: number;
  /** Clusters of duplicates by size: the numbers 2, 3, 4, 5-8, 9-16, ... as `up_to`. */
  clusters: { count: number; largest: number; sizes: { up_to: number; clusters: number }[] };
  /** The largest ones. */
  shown: { kept: string; size: number; others: string[] }[];
}

/** Joins the edges into clusters, keeps one row of each, and chooses the validation rows among those that are left. */
export function decideTask(
  work: Work,
  plan: Plan,
  parts: readonly Part[],
  groups: { exact: readonly GroupResult[]; near: readonly GroupResult[] },
): { outputs: string[]; result: DecideResult } {
  const { dedup, split } = plan.config;
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const fates = new Uint8Array(rows);
  const find = new UnionFind(rows);
  const sources = dedup.scope === 'source' ? rowSources(parts, rows) : undefined;
  const isExact = new Uint8Array(rows);
  for (const kind of ['exact', 'near'] as const) {
    for (const { file } of groups[kind]) {
      const edges = readEdges(work, file);
      for (let i = 0; i < edges.length; i += 2) {
        const [first, second] = [edges[i]!, edges[i + 1]!];
        if (sources !== undefined && sources[first] !== sources[second]) continue;
        find.union(first, second);
        if (kind === 'exact') isExact[first] = isExact[second] = 1;
      }
    }
  }
  const lengths = allLengths(work, parts, rows);
  const keptAs = chooseKept(find, rows, dedup.keep === 'best' ? lengths : undefined);
  const result: DecideResult = {
    exact: 0,
    near: 0,
    characters: 0,
    validation: 0,
    clusters: { count: 0, largest: 0, sizes: [] },
    shown: [],
  };
  for (let row = 0; row < rows; row++) {
    if (keptAs[row] === row) continue;
    const kind = isExact[row] === 1 ? 'exact' : 'near';
    fates[row] = FATE[kind];
    result[kind]++;
    result.characters += lengths[row]!;
  }
  describeClusters(work, plan, parts, keptAs, result);
  result.validation = splitRows(work, parts, fates, split.validation, plan.where.validation);
  const outputs: [string, Uint8Array][] = [
    [FATES, fates],
    [KEPT_AS, new Uint8Array(keptAs.buffer)],
  ];
  for (const [name, bytes] of outputs) writeFileAtomic(work.path(name), bytes);
  return { outputs: [FATES, KEPT_AS], result };
}

function readEdges(work: Work, file: string): Uint32Array {
  const bytes = new Uint8Array(readFileSync(work.path(file)));
  return new Uint32Array(bytes.buffer);
}

/** Of every cluster its first row, or its longest (of equals the first): the row that each row is kept as. */
function chooseKept(find: UnionFind, rows: number, lengths: Uint32Array | undefined): Uint32Array {
  const keptAs = new Uint32Array(rows);
  for (let row = 0; row < rows; row++) keptAs[row] = find.find(row);
  if (lengths === undefined) return keptAs;
  const best = new Uint32Array(rows);
  for (let row = 0; row < rows; row++) {
    const root = keptAs[row]!;
    if (root === row) best[root] = row;
    else if (lengths[row]! > lengths[best[root]!]!) best[root] = row;
  }
  for (let row = 0; row < rows; row++) keptAs[row] = best[keptAs[row]!]!;
  return keptAs;
}

function describeClusters(
  work: Work,
  plan: Plan,
  parts: readonly Part[],
  keptAs: Uint32Array,
  result: DecideResult,
): void {
  const sizes = new Map<number, number>();
  for (let row = 0; row < keptAs.length; row++) {
    const kept = keptAs[row]!;
    if (kept !== row) sizes.set(kept, (sizes.get(kept) ?? 1) + 1);
  }
  const bySize = new Map<number, number>();
  for (const size of sizes.values()) {
    const upTo = size <= 4 ? size : 2 ** Math.ceil(Math.log2(size));
    bySize.set(upTo, (bySize.get(upTo) ?? 0) + 1);
    result.clusters.largest = Math.max(result.clusters.largest, size);
  }
  result.clusters.count = sizes.size;
  result.clusters.sizes = [...bySize].sort(([a], [b]) => a - b).map(([up_to, clusters]) => ({ up_to, clusters }));
  const largest = [...sizes].sort(([a, x], [b, y]) => y - x || a - b).slice(0, CLUSTERS_SHOWN);
  const wanted = new Map(largest.map(([kept]) => [kept, [] as number[]]));
  for (let row = 0; row < keptAs.length; row++) {
    const kept = keptAs[row]!;
    const members = kept === row ? undefined : wanted.get(kept);
    if (members !== undefined && members.length < MEMBERS_SHOWN) members.push(row);
  }
  const name = namer(work, plan, parts);
  result.shown = largest.map(([kept, size]) => ({ kept: name(kept), size, others: wanted.get(kept)!.map(name) }));
}

/** Names rows by their global number: `train.jsonl:12`. */
export function namer(work: Work, plan: Plan, parts: readonly Part[]): (row: number) => string {
  return (row) => {
    let first = 0;
    for (const part of parts) {
      if (row < first + part.rows) {
        const [file, place] = readPlace(work, part, row - first);
        return placeOf(plan.files[file]!.file, place);
      }
      first += part.rows;
    }
    throw new LlmkitError('bug', `there is no row ${row}`, { where: work.dir });
  };
}

function allLengths(work: Work, parts: readonly Part[], rows: number): Uint32Array {
  const lengths = new Uint32Array(rows);
  let at = 0;
  for (const part of parts) {
    lengths.set(readLengths(work, part), at);
    at += part.rows;
  }
  return lengths;
}

function rowSources(parts: readonly Part[], rows: number): Uint16Array {
  const sources = new Uint16Array(rows);
  let at = 0;
  for (const part of parts) {
    sources.fill(part.source, at, at + part.rows);
    at += part.rows;
  }
  return sources;
}
