import { type ErrorRecord, LlmkitErrors, restoreError } from '../../core/errors.ts';
import { addFit, emptyFit, type FitTally } from '../encode/overlength.ts';
import { Lengths } from '../encode/lengths.ts';
import { addCounts, addDrops, addTally, emptyTally, type RowTally } from '../tally.ts';
import type { EncodeResult } from './encode-task.ts';
import type { LanguageTally } from './language-sample.ts';
import { emptyRead, MOST_ERRORS, type ReadResult } from './read-task.ts';

/** What the tasks of `read` did, added up in the order of the shards. */
export interface ReadOutcome extends Omit<ReadResult, 'parts'> {
  /** Rows read of each shard. */
  shardRows: number[];
  /** Rows kept. */
  kept: number;
}

export function addReads(results: readonly ReadResult[]): ReadOutcome {
  const sum: ReadOutcome = { shardRows: results.map((result) => result.read), kept: 0, ...emptyRead() };
  for (const result of results) {
    sum.read += result.read;
    sum.kept += result.parts.reduce((rows, part) => rows + part.rows, 0);
    addTally(sum.malformed, result.malformed);
    sum.errors.push(...result.errors);
    addTally(sum.empty, result.empty);
    addStages(sum.stages, result.stages);
    addDrops(sum.drops, result.drops);
    for (const [rule, tally] of Object.entries(result.flags)) addTally((sum.flags[rule] ??= emptyTally()), tally);
    addCounts(sum.counts, result.counts);
    addLanguages(sum.languages, result.languages);
    if (result.evaluation !== undefined) sum.evaluation = result.evaluation;
  }
  return sum;
}

function addStages(sum: ReadOutcome['stages'], other: ReadOutcome['stages']): void {
  for (const [stage, { rows, characters }] of Object.entries(other)) {
    const tally = (sum[stage] ??= { rows: 0, characters: 0 });
    tally.rows += rows;
    tally.characters += characters;
  }
}

function addLanguages(sum: LanguageTally, other: LanguageTally): void {
  sum.sampled += other.sampled;
  addCounts(sum.rows, other.rows);
}

/** What the tasks of `encode` did, added up in the order of the parts. */
export interface EncodeOutcome {
  rows: number;
  tokens: number;
  targets: number;
  lengths: Lengths;
  renderings: Record<string, number>;
  stops: Map<number, number>;
  specialInText: RowTally;
  refused: RowTally;
  errors: ErrorRecord[];
  fit: FitTally;
  repeated: number;
  leftOut: number;
}

export function addEncodes(results: readonly EncodeResult[]): EncodeOutcome {
  const sum: EncodeOutcome = {
    rows: 0,
    tokens: 0,
    targets: 0,
    lengths: new Lengths(),
    renderings: {},
    stops: new Map(),
    specialInText: emptyTally(),
    refused: emptyTally(),
    errors: [],
    fit: emptyFit(),
    repeated: 0,
    leftOut: 0,
  };
  for (const result of results) {
    sum.rows += result.rows;
    sum.tokens += result.tokens;
    sum.targets += result.targets;
    sum.repeated += result.repeated;
    sum.leftOut += result.left_out;
    sum.lengths.addAll(result.lengths);
    addCounts(sum.renderings, result.renderings);
    for (const [id, count] of result.stops) sum.stops.set(id, (sum.stops.get(id) ?? 0) + count);
    addTally(sum.specialInText, result.specialInText);
    addTally(sum.refused, result.refused);
    sum.errors.push(...result.errors);
    addFit(sum.fit, result.fit);
  }
  return sum;
}

/** Refused rows are errors, told together. @throws LlmkitError(s) when there are any. */
export function throwErrors(records: readonly ErrorRecord[]): void {
  if (records.length === 0) return;
  const errors = records.slice(0, MOST_ERRORS).map(restoreError);
  if (errors.length === 1) throw errors[0]!;
  const count = records.length >= MOST_ERRORS ? `at least ${MOST_ERRORS}` : String(records.length);
  throw new LlmkitErrors('data', `${count} rows cannot be used`, errors);
}
