import { readFileSync } from 'node:fs';
import type { PrepareConfig } from '../../config/index.ts';
import { writeFileAtomic } from '../../io/atomic.ts';
import type { RowMapping } from '../read/detect.ts';
import type { Shard, SourceFile } from '../read/sources.ts';
import type { PreparedKind } from '../types.ts';
import type { Work } from './work.ts';

/** A file that the config names, resolved, with the place of the config that names it. */
export interface NamedFile {
  path: string;
  where: string;
}

/** Everything the tasks need to know, as JSON in the work folder: a task is told its stage and number, nothing else. */
export interface Plan {
  config: PrepareConfig;
  /** What the rows become. */
  kind: PreparedKind;
  seed: number;
  files: PlannedFile[];
  /** What the tasks of `read` read: one each. */
  shards: { file: number; shard: Shard }[];
  keywords: NamedFile[];
  /** Evaluation data that the rows must not hold. */
  against: NamedFile[];
  /** The chat template that a tokenizer made here gets. */
  template: string | undefined;
  /** The places in the config that name these keys, for errors. */
  where: { tokenizer: string; validation: string };
}

export interface PlannedFile {
  file: SourceFile;
  /** Index in config.sources. */
  source: number;
  /** Undefined when no row of it can be read. */
  mapping: RowMapping | undefined;
}

const PLAN = 'plan.json';

export function writePlan(work: Work, plan: Plan): void {
  writeFileAtomic(work.path(PLAN), JSON.stringify(plan));
}

export function readPlan(work: Work): Plan {
  return JSON.parse(readFileSync(work.path(PLAN), 'utf8')) as Plan;
}

/** Where the tokenizer lies that encodes the rows: put there before `encode`, copied or trained. */
export function tokenizerDir(work: Work): string {
  return work.path('tokenizer');
}
