import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { displayPath, type LoadedConfig, type TrainingConfig } from '../config/index.ts';
import { LlmkitError } from '../core/errors.ts';
import type { Json, Table } from '../core/events.ts';
import { formatBytes, parseBytes } from '../core/format.ts';
import { hashJson } from '../core/json.ts';
import { openPrepared } from '../data/prepared.ts';
import type { EngineChoice } from '../engine/tf/index.ts';
import { describeFile, type FileRecord, MANIFEST } from '../io/manifest.ts';
import { provenance } from '../io/provenance.ts';
import { checkSameTokenizer } from '../model/same-tokenizer.ts';
import type { Fingerprint } from '../train/checkpoint.ts';
import type { TrainingRunResult } from '../train/run.ts';
import type { RowSource } from '../train/batches.ts';

/** The options that pretrain and finetune share. */
export interface TrainingCommandOptions {
  config: LoadedConfig;
  /** Go on from the newest checkpoint. */
  resume?: boolean;
  engine?: EngineChoice;
  threads?: number;
  /** Such as 4GB: a run that would take more is refused. */
  maxMemory?: string;
}

/** How the run itself wants them. @throws LlmkitError('usage') for a size of memory that is none */
export function runOptions({ config, engine, threads, resume, maxMemory }: TrainingCommandOptions) {
  const maxMemoryBytes = maxMemory === undefined ? undefined : parseBytes(maxMemory);
  if (maxMemory !== undefined && maxMemoryBytes === undefined) {
    throw new LlmkitError('usage', '--max-memory is not a size', { expected: 'such as 4GB or 800MB', got: maxMemory });
  }
  return {
    engine: engine ?? 'auto',
    threads,
    resume: resume ?? false,
    maxMemoryBytes,
    outputDir: config.artifact(),
  } as const;
}

/** What pretrain and finetune share around the run itself: opening prepared/, naming a run, writing what came of it. */
export interface TrainingData {
  train: RowSource & { maxLength: number };
  validation: RowSource | undefined;
  tokenizerFolder: string;
  /** Tokens that end an answer in the data. */
  stopTokenIds: readonly number[];
  close: () => void;
  manifest: FileRecord;
}

/**
 * @param base the model that is to read the data: its tokenizer must have made it, and a tokenizer with more ids than it has
 *   rows would read past the embedding
 */
export function openTrainingData(
  config: LoadedConfig,
  base: { vocabSize: number; tokenizerDir: string } | undefined,
): TrainingData {
  const folder = config.artifact('prepared');
  if (!existsSync(join(folder, MANIFEST))) {
    throw new LlmkitError('io', 'there is no prepared data', {
      where: folder,
      hint: `llmkit prepare -c ${displayPath(config.path)}`,
    });
  }
  const prepared = openPrepared(folder);
  if (base !== undefined) checkSameTokenizer(prepared.tokenizerDir, base.tokenizerDir);
  if (base !== undefined && prepared.vocabSize > base.vocabSize) {
    throw new LlmkitError('data', 'the prepared data was tokenized with another vocabulary than the base model has', {
      where: prepared.tokenizerDir,
      expected: `at most ${base.vocabSize} token ids`,
      got: String(prepared.vocabSize),
      hint: 'prepare with tokenizer: { from: model } and the same model.name_or_path',
    });
  }
  return {
    train: prepared.split('train'),
    validation: prepared.splits.includes('validation') ? prepared.split('validation') : undefined,
    tokenizerFolder: prepared.tokenizerDir,
    stopTokenIds: prepared.stopTokenIds,
    close: () => prepared.close(),
    manifest: describeFile(join(folder, MANIFEST)),
  };
}

/** Settings that only say when to look, to save or to stop; no step comes out otherwise for them. */
const WATCHING = new Set([
  'logging_steps',
  'report_to',
  'sample_prompts',
  'sample_max_new_tokens',
  'eval_steps',
  'save_steps',
  'save_total_limit',
  'load_best_model_at_end',
  'early_stopping_patience',
  'early_stopping_threshold',
  'loss_spike_factor',
]);

export function fingerprintOf(section: TrainingConfig, data: TrainingData, extra: Fingerprint): Fingerprint {
  const settings = Object.fromEntries(Object.entries(section).filter(([key]) => !WATCHING.has(key)));
  return { settings: hashJson(settings), data: data.manifest.sha256, ...extra };
}

/** The part of a manifest that says what computed, and what came of it. */
export function describeRun(result: TrainingRunResult): {
  engine: string;
  versions: Record<string, string>;
  git?: string;
  extra: { [key: string]: Json };
} {
  const { trained: _values, engine, ...figures } = result;
  return { engine, ...provenance(), extra: figures as unknown as { [key: string]: Json } };
}

function stepsOf({ stoppedAt, totalSteps }: TrainingRunResult): string {
  return stoppedAt === undefined ? String(totalSteps) : `${stoppedAt} of ${totalSteps}, stopped early`;
}

export function trainingTable(result: TrainingRunResult): Table {
  const loss = (value: number | undefined): string => (value === undefined ? '-' : value.toFixed(4));
  const rows: [string, string][] = [
    ['steps', stepsOf(result)],
    ['loss, first → last', `${loss(result.firstLoss)} → ${loss(result.lastLoss)}`],
    ['validation loss', loss(result.validationLoss)],
    ['validation perplexity', result.validationLoss === undefined ? '-' : Math.exp(result.validationLoss).toFixed(2)],
    ...(result.bestStep === undefined ? [] : [['weights of step', String(result.bestStep)] satisfies [string, string]]),
    ['trained parameters', result.trainedParameters.toLocaleString('en-US')],
    ['tokens', result.tokens.toLocaleString('en-US')],
    ['tokens/s', result.tokensPerSecond.toFixed(0)],
    ['time', `${result.seconds.toFixed(1)} s`],
    [
      'peak memory, predicted → measured',
      `${formatBytes(result.predictedPeakBytes)} → ${formatBytes(result.peakBytes)}`,
    ],
    ['engine', `${result.engine}, ${result.precision}`],
  ];
  return { columns: [{ name: 'training' }, { name: '', align: 'right' }], rows };
}
