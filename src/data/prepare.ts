import { existsSync, readFileSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import type { LoadedConfig } from '../config/index.ts';
import { LlmkitError } from '../core/errors.ts';
import { formatCount } from '../core/format.ts';
import { hashJson } from '../core/json.ts';
import { recoverDir } from '../io/atomic.ts';
import { MANIFEST } from '../io/manifest.ts';
import { checkReplaceable } from '../io/replaceable.ts';
import { dependedOn, unchanged } from './cache.ts';
import { finish } from './finish.ts';
import { makePlan, type Planned } from './make-plan.ts';
import { type DataContext, StageProgress } from './progress.ts';
import type { PrepareReport } from './report/report.ts';
import { putTokenizer } from './tokenizer.ts';
import { addEncodes, addReads, throwErrors } from './stages/outcome.ts';
import type { DecideResult } from './stages/decide-task.ts';
import type { EncodeResult } from './stages/encode-task.ts';
import { checkFit } from './encode/overlength.ts';
import { writePlan } from './stages/plan.ts';
import { Pool } from './stages/pool.ts';
import type { ReadResult } from './stages/read-task.ts';
import { TaskRunner } from './stages/run-task.ts';
import { type StageName, Work } from './stages/work.ts';

export const REPORT = 'report.json';

export interface Preparation {
  dir: string;
  /** True when nothing had changed and nothing was done. */
  cached: boolean;
  report: PrepareReport;
}

export interface PrepareOptions {
  /** Prepare again even when nothing has changed, and from the beginning. */
  force?: boolean | undefined;
  /** Threads at most; config.prepare.threads unless given. The result does not depend on it. */
  threads?: number | undefined;
  /** Input that is worth the start of another thread. */
  bytesPerThread?: number;
  /** Input that one task reads; by the size of the file unless given. Which rows are packed together depends on it. */
  shardBytes?: number;
}

const BYTES_PER_THREAD = 8e6;

/**
 * Makes prepared/: read, map, clean, filter, dedup, split, tokenize, mask, pack, write. Each stage is a set of tasks that
 * hand data on through files in `<dir>.work`, so memory does not grow with the data (but for some 20 bytes a row), and a
 * run that was interrupted goes on from the tasks that were done. The same config, seed and inputs give the same bytes,
 * whatever the number of threads; when they have not changed, nothing is done.
 *
 * @param dir the folder to make; replaced as a whole at the end.
 * @throws LlmkitError('data', 'config', 'io' or 'interrupted'); the folder is then as it was.
 */
export async function prepare(
  config: LoadedConfig,
  dir: string,
  context: DataContext,
  options: PrepareOptions = {},
): Promise<Preparation> {
  const planned = await makePlan(config, context, options.shardBytes);
  checkOutput(dir, planned);
  await recoverDir(dir);
  if (options.force !== true && unchanged(dir, config, planned.inputs) !== undefined) {
    return { dir, cached: true, report: JSON.parse(readFileSync(join(dir, REPORT), 'utf8')) as PrepareReport };
  }
  const key = hashJson({ config: dependedOn(config), inputs: JSON.parse(JSON.stringify(planned.inputs)) as object });
  const work = Work.claim(`${dir}.work`, key, options.force);
  try {
    const report = await runStages(work, planned, config, dir, context, threadsFor(planned, config, options));
    work.remove();
    return { dir, cached: false, report };
  } catch (error) {
    // What tasks have done stays, to go on from; of no use after an error in the data or the config, which change the key.
    if (error instanceof LlmkitError && (error.kind === 'interrupted' || error.kind === 'io')) work.release();
    else work.remove();
    throw error;
  }
}

/** The folder to make may replace an earlier one, whole or damaged, and nothing else; least of all its own input. */
function checkOutput(dir: string, { inputs }: Planned): void {
  const damaged = ['dataset_dict.json', MANIFEST].every((name) => existsSync(join(dir, name)));
  const files = inputs.map((file) => resolve(file.path));
  if (damaged && !files.some((file) => file.startsWith(`${resolve(dir)}${sep}`))) return;
  checkReplaceable(dir, files, 'prepare');
}

function threadsFor({ inputs }: Planned, { config }: LoadedConfig, options: PrepareOptions): number {
  const bytes = inputs.reduce((sum, file) => sum + file.bytes, 0);
  const useful = Math.ceil(bytes / (options.bytesPerThread ?? BYTES_PER_THREAD));
  return Math.max(1, Math.min(options.threads ?? config.prepare.threads ?? 1, useful));
}

async function runStages(
  work: Work,
  planned: Planned,
  config: LoadedConfig,
  dir: string,
  context: DataContext,
  threads: number,
): Promise<PrepareReport> {
  const { plan } = planned;
  writePlan(work, plan);
  const pool = new Pool(work, threads, context.signal);
  const runner = new TaskRunner(work);
  const stage = async (name: StageName, total: number | undefined, told: () => string) => {
    const progress = new StageProgress(context, name, total);
    const count = runner.count(name);
    await pool.run(name, count, (done) => progress.add(done));
    progress.end(told());
  };
  try {
    await stage('read', planned.rows, () => {
      const { read, kept } = addReads(work.results<ReadResult>('read', runner.count('read')));
      return `${formatCount(read)} rows read, ${formatCount(kept)} kept`;
    });
    const reads = addReads(work.results<ReadResult>('read', runner.count('read')));
    checkRead(planned, reads);
    if (runner.count('exact') > 0) await stage('exact', runner.rows, () => 'equal rows found');
    if (runner.count('near') > 0) {
      await stage('near', runner.rows * runner.count('near'), () => 'nearly equal rows found');
    }
    await stage('decide', undefined, () => {
      const { exact, near, validation } = work.result<DecideResult>('decide', 0)!;
      const nearly = plan.config.dedup.near === false ? '' : `, ${formatCount(near)} near duplicates`;
      return `${formatCount(exact)} duplicates${nearly} dropped, ${formatCount(validation)} rows held out`;
    });
    if (runner.count('tokenizer') > 0) {
      await stage('words', runner.rows, () => 'words counted');
      await stage('tokenizer', undefined, () => {
        const { tokens } = work.result<{ tokens: number }>('tokenizer', 0)!;
        return `${formatCount(tokens)} tokens learned`;
      });
    } else {
      putTokenizer(config, work);
    }
    await stage('encode', runner.rows, () => {
      const { tokens } = addEncodes(work.results<EncodeResult>('encode', runner.count('encode')));
      return `${formatCount(tokens)} tokens`;
    });
  } finally {
    await pool.close();
  }
  const encodes = work.results<EncodeResult>('encode', runner.count('encode'));
  const encoded = addEncodes(encodes);
  throwErrors(encoded.errors);
  checkFit(encoded.fit, plan.config);
  return finish({ work, planned, config, dir, encodes, runner }, context);
}

function checkRead({ plan, sourceWhere }: Planned, reads: ReturnType<typeof addReads>): void {
  throwErrors(reads.errors);
  for (const [index, { file, source }] of plan.files.entries()) {
    const rows = plan.shards.reduce((sum, shard, i) => sum + (shard.file === index ? reads.shardRows[i]! : 0), 0);
    if (rows === 0) throw new LlmkitError('data', `${file.name} holds no rows`, { where: sourceWhere[source]! });
  }
  if (reads.kept > 0) return;
  const dropped = Object.values(reads.drops).reduce((sum, drop) => sum + drop.count, 0);
  throw new LlmkitError('data', 'no rows are left after reading and cleaning', {
    where: plan.files.map(({ file }) => file.name).join(', '),
    got: `${reads.read} rows: ${reads.malformed.count} malformed, ${reads.empty.count} empty, ${dropped} dropped by rules`,
  });
}
