import { LlmkitError, type ErrorRecord } from '../../core/errors.ts';
import { bandsForThreshold } from '../dedup/bands.ts';
import { MinHasher } from '../dedup/minhash.ts';
import type { Decontamination } from '../filter/decontaminate.ts';
import { mapRow } from '../read/map.ts';
import { readShard } from '../read/shards.ts';
import type { Drop, RowStep } from '../row-step.ts';
import { documentOf } from '../texts.ts';
import type { Example } from '../types.ts';
import { htmlToText } from '../clean/html.ts';
import { isEmptyExample } from '../clean/text.ts';
import type { LanguageTally } from './language-sample.ts';
import { LanguageSample } from './language-sample.ts';
import type { ExplainWriter } from './explain.ts';
import { explainWriter } from './explain.ts';
import { type Part, PartWriter } from './parts.ts';
import type { Plan } from './plan.ts';
import type { Pulse } from './pulse.ts';
import { RowHasher } from './row-hash.ts';
import { addCounts, addDrop, addRow, type DropTally, emptyTally, type RowTally } from '../tally.ts';
import type { Work } from './work.ts';

/** Errors are shown together; after this many the rest of the data is not looked at. */
export const MOST_ERRORS = 20;

/** What one task of `read` did. */
export interface ReadResult {
  parts: Part[];
  read: number;
  malformed: RowTally;
  /** The errors of malformed rows, where those are not to be skipped. */
  errors: ErrorRecord[];
  empty: RowTally;
  /** Rows and UTF-16 units of text after each stage of the funnel, by its name. */
  stages: Record<string, { rows: number; characters: number }>;
  drops: Record<string, DropTally>;
  flags: Record<string, RowTally>;
  /** What was changed, by stage and name: `{ 'pii: email redacted': 3 }`. */
  counts: Record<string, number>;
  languages: LanguageTally;
  /** What decontamination looked for; the same in every task. */
  evaluation?: Decontamination['evaluation'];
}

/** Nothing read yet. */
export function emptyRead(): Omit<ReadResult, 'parts'> {
  return {
    read: 0,
    malformed: emptyTally(),
    errors: [],
    empty: emptyTally(),
    stages: {},
    drops: {},
    flags: {},
    counts: {},
    languages: { sampled: 0, rows: {} },
  };
}

/** Reads a shard: maps its rows, runs the row steps over them, and writes what is left with what dedup needs. */
export async function readTask(
  work: Work,
  plan: Plan,
  index: number,
  steps: readonly RowStep[],
  pulse: Pulse,
): Promise<{ outputs: string[]; result: ReadResult }> {
  const { shard, file: fileIndex } = plan.shards[index]!;
  const { file, mapping, source } = plan.files[fileIndex]!;
  const { config } = plan;
  const { near } = config.dedup;
  const split = bandsOf(near);
  const hasher = near === false ? undefined : new MinHasher({ ...split, ngram: near.ngram, seed: plan.seed });
  const writer = new PartWriter(work, index, source, split.bands);
  const explain = explainWriter(work, config, 'read', index);
  const result: ReadResult = { parts: writer.parts, ...emptyRead() };
  const rowHasher = new RowHasher(plan.seed);
  const sample = new LanguageSample(result.languages);
  const before = steps.map((step) => ({ ...step.counts }));
  const refuse = (error: unknown, where: string) => {
    if (!(error instanceof LlmkitError) || error.kind !== 'data') throw error;
    addRow(result.malformed, error.where ?? where);
    explain?.write({ row: where, stage: 'read', rule: 'malformed', value: error.message, limit: '' });
    if (config.malformed === 'error') result.errors.push(error.toJSON());
  };
  try {
    for await (const record of readShard(shard, { workDir: work.path('unpacked') })) {
      result.read++;
      const wait = pulse.tick(1);
      if (wait !== undefined) await wait;
      if ('error' in record) {
        refuse(record.error, record.where);
        if (result.errors.length >= MOST_ERRORS) break;
        continue;
      }
      let example: Example;
      try {
        example = mapRow(file.html ? htmlToText(record.value as string) : record.value, mapping!, record.where);
      } catch (error) {
        refuse(error, record.where);
        if (result.errors.length >= MOST_ERRORS) break;
        continue;
      }
      const kept = runSteps(example, record.where, steps, result, explain);
      if (kept === undefined) continue;
      const document = documentOf(kept);
      const hash = rowHasher.hash(kept);
      sample.look(document, hash);
      writer.append(kept, {
        file: fileIndex,
        place: record.row,
        hash,
        characters: document.length,
        bands: hasher === undefined ? undefined : bandHashes(hasher, document, split.bands),
      });
    }
    writer.finish();
    explain?.finish();
  } catch (error) {
    writer.abort();
    explain?.abort();
    throw error;
  }
  const decontamination = steps.find((step): step is Decontamination => step.stage === 'decontaminate');
  if (decontamination !== undefined) result.evaluation = decontamination.evaluation;
  for (const [i, step] of steps.entries()) addCounts(result.counts, difference(step, before[i]!));
  return { outputs: [...writer.outputs, ...(explain === undefined ? [] : [explain.output])], result };
}

/** Runs the steps over a row and counts what happens to it; undefined when it is dropped. */
function runSteps(
  mapped: Example,
  where: string,
  steps: readonly RowStep[],
  result: ReadResult,
  explain: ExplainWriter | undefined,
): Example | undefined {
  let example = mapped;
  countStage(result, 'map', example);
  for (const [i, step] of steps.entries()) {
    const outcome = step.apply(example);
    if ('drop' in outcome) return dropped(outcome.drop, example, where, step.stage, result, explain);
    example = outcome.example;
    if (outcome.flag !== undefined) addRow((result.flags[outcome.flag] ??= emptyTally()), where);
    if (i === 0 && isEmptyExample(example)) {
      addRow(result.empty, where);
      explain?.write({ row: where, stage: 'clean', rule: 'empty', value: 0, limit: 1 });
      return undefined;
    }
    if (steps[i + 1]?.stage !== step.stage) countStage(result, step.stage, example);
  }
  // A filter that takes lines out may leave nothing.
  if (!isEmptyExample(example)) return example;
  return dropped({ rule: 'empty', value: 0, limit: 1 }, mapped, where, steps.at(-1)!.stage, result, explain);
}

function dropped(
  drop: Drop,
  example: Example,
  row: string,
  stage: string,
  result: ReadResult,
  explain: ExplainWriter | undefined,
): undefined {
  const document = documentOf(example);
  addDrop(result.drops, drop.rule, { row, value: drop.value, limit: drop.limit, document });
  explain?.write({ row, stage, ...drop, text: document });
  return undefined;
}

function countStage(result: ReadResult, stage: string, example: Example): void {
  const tally = (result.stages[stage] ??= { rows: 0, characters: 0 });
  tally.rows++;
  tally.characters += documentOf(example).length;
}

function difference(step: RowStep, before: Record<string, number>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [name, count] of Object.entries(step.counts)) {
    if (count > (before[name] ?? 0)) counts[`${step.stage}: ${name}`] = count - (before[name] ?? 0);
  }
  return counts;
}

function bandHashes(hasher: MinHasher, document: string, bands: number): Uint32Array {
  const out = new Uint32Array(2 * bands);
  // A text without a shingle is left at zeros, which `near` passes over.
  hasher.bandHashes(document, out, 0);
  return out;
}

/** A missed duplicate is worse than a wrong one by this much when a threshold chooses the bands: 14 x 9 for 0.8. */
const WEIGHTS = { falsePositive: 0.1, falseNegative: 0.9 };
const HASHES = 128;

/** Bands of a MinHash signature and rows of each; none where near duplicates are not looked for. */
export function bandsOf(near: Plan['config']['dedup']['near']): { bands: number; rows: number } {
  if (near === false) return { bands: 0, rows: 0 };
  return near.threshold === undefined ? near : bandsForThreshold(near.threshold, HASHES, WEIGHTS);
}
