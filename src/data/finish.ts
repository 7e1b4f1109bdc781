import { cpSync, existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { LoadedConfig } from '../config/index.ts';
import { LlmkitError } from '../core/errors.ts';
import { formatCount } from '../core/format.ts';
import { hashJson } from '../core/json.ts';
import { joinDatasets, writeDatasetDict } from '../io/arrow.ts';
import { withAtomicDir } from '../io/atomic.ts';
import { describeFiles, writeManifest } from '../io/manifest.ts';
import { provenance } from '../io/provenance.ts';
import { loadTokenizer } from '../tokenizer/index.ts';
import { dependedOn } from './cache.ts';
import { readItems } from './encode/item-file.ts';
import type { SplitResult } from './encode/packed-writer.ts';
import { featuresOf, openSplitWriter } from './encode/split-writer.ts';
import type { Planned } from './make-plan.ts';
import { type DataContext, StageProgress } from './progress.ts';
import { makeReport, type PrepareReport } from './report/report.ts';
import { writeReport } from './report/write.ts';
import type { DecideResult } from './stages/decide-task.ts';
import type { EncodeResult } from './stages/encode-task.ts';
import { addEncodes, addReads } from './stages/outcome.ts';
import { tokenizerDir } from './stages/plan.ts';
import type { ReadResult } from './stages/read-task.ts';
import type { TaskRunner } from './stages/run-task.ts';
import { pad, type Work } from './stages/work.ts';
import type { SplitName } from './types.ts';

export interface Finished {
  work: Work;
  planned: Planned;
  config: LoadedConfig;
  dir: string;
  encodes: readonly EncodeResult[];
  runner: TaskRunner;
}

/** Puts prepared/ together from what the tasks left: packs the validation rows, joins the parts, reports, and renames. */
export async function finish(parts: Finished, context: DataContext): Promise<PrepareReport> {
  const { work, planned, config, dir, runner } = parts;
  const progress = new StageProgress(context, 'write', undefined);
  const report = await withAtomicDir(dir, async (out) => {
    const splits = writeSplits(parts, out);
    cpSync(tokenizerDir(work), join(out, 'tokenizer'), { recursive: true });
    const tokenizer = loadTokenizer(join(out, 'tokenizer'));
    const report = makeReport({
      planned,
      reads: addReads(work.results<ReadResult>('read', runner.count('read'))),
      decided: work.result<DecideResult>('decide', 0)!,
      encoded: addEncodes(parts.encodes),
      splits,
      tokenizer,
    });
    warn(report, context);
    if (report.splits['train']!.rows === 0) {
      throw new LlmkitError('data', 'no rows are left to train on', { got: JSON.stringify(report.funnel.at(-2)) });
    }
    writeDatasetDict(out, Object.keys(splits));
    if (existsSync(work.path('explain'))) renameSync(work.path('explain'), join(out, 'explain'));
    await writeReport(out, report);
    writeManifest(out, {
      command: 'prepare',
      config: dependedOn(config),
      configHash: hashJson(dependedOn(config)),
      inputs: planned.inputs,
      outputs: await describeFiles(out),
      seed: planned.plan.seed,
      ...provenance(config.resolvePath('.')),
      extra: {
        kind: planned.plan.kind,
        max_length: planned.plan.config.max_length,
        vocab_size: tokenizer.vocabSize,
        splits: Object.keys(report.splits),
        stop_token_ids: report.stop_tokens.map((stop) => stop.id),
      },
    });
    return report;
  });
  progress.end(
    `${formatCount(report.splits['train']!.rows)} ${planned.plan.kind === 'pairs' ? 'pairs' : 'packed rows'}`,
  );
  return report;
}

function writeSplits({ work, planned, encodes }: Finished, out: string): Partial<Record<SplitName, SplitResult>> {
  const { config, kind } = planned.plan;
  const pieces = encodes.map((encode, part) => ({ dir: work.path('encoded', pad(part)), ...encode.train }));
  // A part whose rows were all dropped has a file without rows, which is only needed where there is no other.
  const filled = pieces.filter((piece) => piece.rows > 0);
  joinDatasets(join(out, 'train'), featuresOf(kind), filled.length > 0 ? filled : pieces.slice(0, 1), 'train');
  const train: SplitResult = { rows: 0, examples: 0, tokens: 0, targets: 0, files: [], fingerprint: '' };
  for (const piece of pieces) {
    for (const figure of ['rows', 'examples', 'tokens', 'targets'] as const) train[figure] += piece[figure];
  }
  const held = encodes.filter(({ validation }) => validation.examples > 0);
  if (held.length === 0) return { train };
  const writer = openSplitWriter(kind, join(out, 'validation'), 'validation', config);
  try {
    for (const { validation } of held) for (const item of readItems(work.path(validation.file), kind)) writer.add(item);
    writer.finish();
  } catch (error) {
    writer.abort();
    throw error;
  }
  return { train, validation: writer.result };
}

function warn(report: PrepareReport, context: DataContext): void {
  const { answers = 0, unrecognizable = 0 } = report.decontamination ?? {};
  if (unrecognizable > 0) {
    context.emit({
      type: 'warning',
      message: `${formatCount(unrecognizable)} of ${formatCount(answers)} evaluation answers have too few words to be recognized: no row was held against them`,
      hint: 'a smaller prepare.decontaminate.ngram recognizes shorter answers, and takes more for leaks that are none',
    });
  }
  const lists: [{ count: number; rows: string[] }, string, string][] = [
    [report.malformed, 'malformed, left out', 'look at report.json'],
    [report.refused_by_template, 'refused by the chat template, left out', 'look at report.json'],
    [report.target_cut_off, 'without an answer, which max_length cut off', 'raise prepare.max_length'],
    [
      report.special_tokens_in_text,
      'with special tokens in the text, which are read as control tokens',
      'take them out of the data unless that is meant',
    ],
  ];
  for (const [{ count, rows }, what, hint] of lists) {
    const message = `${formatCount(count)} ${count === 1 ? 'row' : 'rows'} ${what}`;
    if (count > 0) context.emit({ type: 'warning', message, where: rows.slice(0, 5).join(', '), hint });
  }
}
