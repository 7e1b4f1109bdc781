import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LoadedConfig } from '../config/index.ts';
import { LlmkitError } from '../core/errors.ts';
import { formatCount } from '../core/format.ts';
import { hashJson } from '../core/json.ts';
import { writeDatasetDict } from '../io/arrow.ts';
import { recoverDir, withAtomicDir } from '../io/atomic.ts';
import { describeFiles, type FileRecord, writeManifest } from '../io/manifest.ts';
import { provenance } from '../io/provenance.ts';
import { dependedOn, describeInputs, unchanged } from './cache.ts';
import { type Duplicate, markDuplicates } from './dedup.ts';
import { HashIndex } from './hash-index.ts';
import { ingest, type Input } from './ingest.ts';
import { encodeAndPack } from './pack-stage.ts';
import { type DataContext, Progress } from './progress.ts';
import { makeReport, type PrepareReport } from './report.ts';
import { readRows, RowWriter } from './row-store.ts';
import { filesOfSource } from './sources.ts';
import { markValidation } from './split.ts';
import { makeTokenizer } from './tokenizer.ts';

export const REPORT = 'report.json';

export interface Preparation {
  dir: string;
  /** True when nothing had changed and nothing was done. */
  cached: boolean;
  report: PrepareReport;
}

/**
 * Makes prepared/: read, map, clean, dedup, split, tokenize, mask, pack, write. The stages hand rows on through files in
 * the unfinished folder, so memory does not grow with the data (but for a byte a row). The same config, seed and inputs
 * give the same bytes; when they have not changed, nothing is done.
 *
 * @param dir the folder to make; replaced as a whole at the end.
 * @throws LlmkitError('data', 'config', 'io' or 'interrupted'); the folder is then as it was.
 */
export async function prepare(
  config: LoadedConfig,
  dir: string,
  context: DataContext,
  options: { force?: boolean } = {},
): Promise<Preparation> {
  const inputs = await findInputs(config);
  const files = describeInputs(config, inputs);
  await recoverDir(dir);
  if (options.force !== true && unchanged(dir, config, files) !== undefined) {
    return { dir, cached: true, report: JSON.parse(readFileSync(join(dir, REPORT), 'utf8')) as PrepareReport };
  }
  const report = await withAtomicDir(dir, (temporary) => fill(temporary, config, inputs, files, context));
  return { dir, cached: false, report };
}

async function findInputs(config: LoadedConfig): Promise<Input[]> {
  const { sources } = config.config.prepare;
  if (sources.length === 0) {
    throw config.missing(
      'prepare.sources',
      'say where the rows are: prepare: { sources: [{ path: data/train.jsonl }] }',
    );
  }
  const inputs: Input[] = [];
  for (const [i, source] of sources.entries()) {
    const where = config.where(`prepare.sources.${i}.path`);
    for (const file of await filesOfSource(config.resolvePath(source.path), source, where)) {
      inputs.push({ file, source, where });
    }
  }
  return inputs;
}

async function fill(
  dir: string,
  loaded: LoadedConfig,
  inputs: readonly Input[],
  files: FileRecord[],
  context: DataContext,
): Promise<PrepareReport> {
  const { prepare: config, seed } = loaded.config;
  const work = join(dir, 'work');
  mkdirSync(work);
  const rowsPath = join(work, 'rows.jsonl');
  const index = new HashIndex(join(work, 'hashes'));
  const rows = new RowWriter(rowsPath);
  const ingested = await ingest(inputs, config, seed, rows, index, context).finally(() => {
    rows.close();
    index.close();
  });

  const fates = new Uint8Array(ingested.kept);
  const choosing = new Progress(context, 'dedup', 'rows');
  const { duplicates, shown } = config.dedup.exact ? markDuplicates(index, fates) : { duplicates: 0, shown: [] };
  const validationWhere = loaded.where('prepare.split.validation');
  const validationRows = markValidation(index, fates, config.split.validation, validationWhere);
  choosing.end(`${duplicates} duplicates dropped, ${validationRows} rows held out`);

  const tokenizer = await makeTokenizer(loaded, join(dir, 'tokenizer'), rowsPath, fates, context);
  const packed = await encodeAndPack(dir, rowsPath, fates, tokenizer, config, context);
  const report = makeReport({
    config,
    ingested,
    duplicates: { count: duplicates, shown },
    rowNames: namesOf(rowsPath, shown),
    validationRows,
    packed,
    tokenizer,
  });
  warn(report, context);
  if (report.splits['train']!.rows === 0) {
    throw new LlmkitError('data', 'no rows are left to train on', { got: JSON.stringify(report.funnel.at(-2)) });
  }
  rmSync(work, { recursive: true });
  writeDatasetDict(dir, Object.keys(report.splits));
  writeFileSync(join(dir, REPORT), `${JSON.stringify(report, null, 2)}\n`);
  writeManifest(dir, {
    command: 'prepare',
    config: dependedOn(loaded),
    configHash: hashJson(dependedOn(loaded)),
    inputs: files,
    outputs: await describeFiles(dir),
    seed,
    ...provenance(loaded.resolvePath('.')),
    extra: {
      max_length: config.max_length,
      vocab_size: tokenizer.vocabSize,
      splits: Object.keys(report.splits),
      stop_token_ids: report.stop_tokens.map((stop) => stop.id),
    },
  });
  return report;
}

/** The names of the duplicates that the report shows, and of the rows they repeat. */
function namesOf(rowsPath: string, duplicates: readonly Duplicate[]): Map<number, string> {
  const wanted = new Set(duplicates.flatMap(({ row, first }) => [row, first]));
  const names = new Map<number, string>();
  let number = 0;
  for (const { id } of wanted.size === 0 ? [] : readRows(rowsPath)) {
    if (wanted.has(number)) names.set(number, id);
    if (names.size === wanted.size) break;
    number++;
  }
  return names;
}

function warn(report: PrepareReport, context: DataContext): void {
  const lists: [object, string, string][] = [
    [report.malformed, 'malformed, left out', 'look at report.json'],
    [report.refused_by_template, 'refused by the chat template, left out', 'look at report.json'],
    [report.target_cut_off, 'without an answer, which max_length cut off', 'raise prepare.max_length'],
    [
      report.special_tokens_in_text,
      'with special tokens in the text, which are read as control tokens',
      'take them out of the data unless that is meant',
    ],
  ];
  for (const [list, what, hint] of lists) {
    const { count, rows } = list as { count: number; rows: string[] };
    const message = `${formatCount(count)} ${count === 1 ? 'row' : 'rows'} ${what}`;
    if (count > 0) context.emit({ type: 'warning', message, where: rows.slice(0, 5).join(', '), hint });
  }
}
