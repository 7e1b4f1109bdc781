import { join } from 'node:path';
import type { TrainingConfig } from '../config/index.ts';
import { LlmkitError } from '../core/errors.ts';
import type { CommandContext, Json } from '../core/events.ts';
import { formatBytes } from '../core/format.ts';
import type { LoraOptions } from '../decoder/training-weights.ts';
import type { DecoderGraph } from '../decoder/training.ts';
import { chooseEngine } from '../engine/tf/index.ts';
import type { EngineChoice, TfEngine } from '../engine/tf/index.ts';
import type { WeightSource } from '../io/safetensors.ts';
import type { DecoderSpec } from '../model/spec.ts';
import type { RowSource } from './batches.ts';
import { CheckpointStore, recordedFingerprint } from './checkpoint.ts';
import type { Fingerprint } from './checkpoint.ts';
import { estimateRun } from './estimate-run.ts';
import type { RunEstimate } from './estimate-run.ts';
import { planSteps, trainLoop } from './loop.ts';
import type { LoopOptions, LoopResult, StepOptions } from './loop.ts';
import { makeTrainer } from './make-trainer.ts';
import { choosePrecision } from './precision.ts';
import { plannedTime } from './estimate-record.ts';
import { RunWatch } from './report-watch.ts';
import { writeTrainingReport } from './report.ts';
import { Selection } from './selection.ts';
import type { Trainer } from './trainer.ts';
import type { InitialValues } from './weights.ts';

export interface TrainingRunOptions {
  stage: 'pretrain' | 'finetune';
  config: TrainingConfig;
  spec: DecoderSpec;
  source: WeightSource;
  lora: LoraOptions | undefined;
  /** Which weights of the checkpoint are trained; see `TrainingWeightsOptions`. */
  trains?: ((name: string) => boolean) | undefined;
  /** First values of the trained weights. */
  initial: (weights: DecoderGraph['weights']) => InitialValues;
  train: RowSource & { maxLength: number };
  validation: RowSource | undefined;
  engine: EngineChoice;
  threads: number | undefined;
  resume: boolean;
  checkpointFolder: string;
  fingerprint: Fingerprint;
  /** Weight of the z-loss; 0 when absent. */
  zLoss?: number;
  /** A run that would take more is refused before it begins. */
  maxMemoryBytes?: number | undefined;
  /** The config's; without it no event files and no report are written. */
  outputDir?: string;
  /** Answers of the model with these trained weights to `sample_prompts`, in their order. */
  sample?: (trained: ReadonlyMap<string, Float32Array>) => Promise<{ prompt: string; text: string }[]>;
}

export interface TrainingRunResult extends LoopResult {
  trained: Map<string, Float32Array>;
  trainedParameters: number;
  engine: string;
  precision: 'fp32' | 'bf16';
  memory: 'none' | 'layer';
  tokensPerSecond: number;
  peakBytes: number;
  /** What was expected before the run began. */
  predictedPeakBytes: number;
}

/** A training run from end to end on the best engine at hand: what pretrain and finetune have in common. */
export async function runTraining(options: TrainingRunOptions, context: CommandContext): Promise<TrainingRunResult> {
  checkLengths(options);
  const { precision } = options.config;
  const engine = await chooseEngine({
    engine: options.engine,
    bf16: precision !== 'fp32',
    ...(options.threads === undefined ? {} : { threads: options.threads }),
  });
  try {
    return await trainOn(engine, choosePrecision(precision, engine), options, context);
  } finally {
    engine.dispose();
  }
}

async function trainOn(
  engine: TfEngine,
  precision: 'fp32' | 'bf16',
  options: TrainingRunOptions,
  context: CommandContext,
): Promise<TrainingRunResult> {
  context.emit({ type: 'note', message: `engine: ${engine.description}; ${engine.reason}` });
  const estimate = estimateOn(engine, precision, options, context);
  const { memory, peak } = estimate;
  const kept = memory === 'layer' ? 'blocks are computed again in the backward pass' : 'activations are kept';
  const message = `precision ${precision}; ${kept}; about ${formatBytes(peak.peakBytes)} of memory at the peak`;
  context.emit({ type: 'note', message });

  const watch = watchOf(options, context);
  const trainer = makeTrainer(engine, options, { precision, memory });
  try {
    const fingerprint = { ...options.fingerprint, engine: engine.description, precision, memory };
    const loop = loopOptions(options, trainer, fingerprint, { ...context, emit: watch.emit });
    const { sample } = options;
    if (sample) loop.sample = async (step) => watch.samples(step, await sample(trainer.readTrained()));
    begin(loop, options.resume, options.stage, context);
    const result = await trainLoop(loop);
    const trained = trainer.readTrained();
    const whole: TrainingRunResult = {
      ...result,
      trained,
      trainedParameters: [...trained.values()].reduce((sum, values) => sum + values.length, 0),
      engine: engine.description,
      precision,
      memory,
      tokensPerSecond: result.tokens / result.seconds,
      peakBytes: process.resourceUsage().maxRSS * 1024,
      predictedPeakBytes: peak.peakBytes,
    };
    await report(options, whole, estimate, watch, context);
    return whole;
  } finally {
    trainer.dispose();
    watch.close();
  }
}

function watchOf({ stage, config, outputDir, resume }: TrainingRunOptions, { emit }: CommandContext): RunWatch {
  const reportTo = outputDir === undefined ? 'none' : config.report_to;
  return new RunWatch({ stage, outputDir: outputDir ?? '', reportTo, resume, emit });
}

/** Writes the run's report into `<output_dir>/reports/<stage>/`. */
async function report(
  { stage, config, outputDir }: TrainingRunOptions,
  { trained: _values, ...result }: TrainingRunResult,
  estimate: RunEstimate,
  { history }: RunWatch,
  { emit }: CommandContext,
): Promise<void> {
  if (outputDir === undefined) return;
  const folder = join(outputDir, 'reports', stage);
  try {
    const plannedSeconds = plannedTime(folder, config, estimate);
    const settings = config as unknown as { [key: string]: Json };
    await writeTrainingReport(folder, { stage, result, estimate, plannedSeconds, history, settings });
    emit({ type: 'artifact', kind: 'report', path: join(folder, 'report.html') });
  } catch (error) {
    // The weights are still to be written: a report that fails must not cost them.
    const message = `no training report: ${error instanceof Error ? error.message : String(error)}`;
    emit({ type: 'warning', message, where: folder });
  }
}

/**
 * What a run on this engine will take.
 *
 * @throws LlmkitError('config') when that is more than `maxMemoryBytes`
 */
export function estimateOn(
  engine: TfEngine,
  precision: 'fp32' | 'bf16',
  options: TrainingRunOptions,
  { emit }: Pick<CommandContext, 'emit'>,
): RunEstimate {
  const { config, stage, maxMemoryBytes: maxBytes } = options;
  // Recomputed sums round differently: a resumed run keeps to what it began with, whatever memory is free now.
  const before = options.resume ? recordedFingerprint(options.checkpointFolder)?.['memory'] : undefined;
  const setting = config.memory === 'auto' && (before === 'none' || before === 'layer') ? before : config.memory;
  // tfjs knows no control edges: what is to be computed again would be computed at once there, and kept.
  const recomputes = engine.kind === 'native' || setting === before;
  if (!recomputes && setting === 'layer') {
    const message = 'memory: layer saves nothing on the wasm engine; every activation is kept';
    emit({ type: 'warning', message, where: `${stage}.memory`, hint: 'llmkit setup, for the native engine' });
  }
  const memory = recomputes ? setting : 'none';
  return estimateRun(options, { engine: engine.kind, precision, memory, steps: stepOptions(options), maxBytes });
}

function loopOptions(
  options: TrainingRunOptions,
  trainer: Trainer,
  fingerprint: Fingerprint,
  context: CommandContext,
): LoopOptions {
  const { config } = options;
  return {
    ...stepOptions(options),
    trainer,
    validation: options.validation,
    checkpoints: new CheckpointStore(options.checkpointFolder, config.save_total_limit, fingerprint),
    loggingSteps: config.logging_steps,
    evalSteps: config.eval_steps,
    saveSteps: config.save_steps,
    selection: selectionOf(options),
    lossSpikeFactor: config.loss_spike_factor,
    emit: context.emit,
    signal: context.signal,
  };
}

function stepOptions(options: TrainingRunOptions): StepOptions {
  const { config, stage, train } = options;
  return {
    stage,
    train,
    seed: config.seed,
    lengths: config.group_by_length ? lengthsOf(train) : undefined,
    batch: config.per_device_train_batch_size,
    accumulation: config.gradient_accumulation_steps,
    epochs: config.num_train_epochs,
    maxSteps: config.max_steps,
    ...scheduleOf(config),
    warmupSteps: config.warmup_steps,
    warmupRatio: config.warmup_ratio,
  };
}

const lengthsOf = (rows: RowSource): Int32Array =>
  Int32Array.from({ length: rows.numRows }, (_, i) => rows.row(i).inputIds.length);

function scheduleOf(config: TrainingConfig): Pick<LoopOptions, 'schedule' | 'decayRatio'> {
  const { learning_rate: learningRate, lr_scheduler_type: type, lr_scheduler_kwargs: kwargs } = config;
  const lowest = kwargs.min_lr === undefined ? undefined : kwargs.min_lr / learningRate;
  return {
    schedule: {
      type,
      learningRate,
      minRate: lowest ?? kwargs.min_lr_rate ?? kwargs.min_lr_ratio ?? 0,
      decayType: kwargs.decay_type ?? 'cosine',
      warmupType: kwargs.warmup_type ?? 'linear',
      ...(kwargs.num_decay_steps === undefined ? {} : { decaySteps: kwargs.num_decay_steps }),
    },
    ...(kwargs.decay_ratio === undefined ? {} : { decayRatio: kwargs.decay_ratio }),
  };
}

function selectionOf({ config, validation, stage }: TrainingRunOptions): Selection | undefined {
  const patience = config.early_stopping_patience;
  const keepBest = config.load_best_model_at_end;
  if (patience === undefined && !keepBest) return undefined;
  if (!validation || validation.numRows === 0) {
    throw new LlmkitError('config', 'there is no validation data to choose the best step by', {
      where: `${stage}.${patience === undefined ? 'load_best_model_at_end' : 'early_stopping_patience'}`,
      hint: 'set prepare.split.validation and prepare again',
    });
  }
  return new Selection({ patience, keepBest, threshold: config.early_stopping_threshold });
}

function begin(loop: LoopOptions, resume: boolean, stage: string, { emit }: CommandContext): void {
  const { plan, totalSteps, schedule } = planSteps(loop);
  if (schedule.type !== 'constant' && schedule.warmupSteps >= totalSteps) {
    const message = `warmup_steps ${schedule.warmupSteps} covers all ${totalSteps} steps: the rate never reaches its peak`;
    emit({ type: 'warning', message, where: `${stage}.warmup_steps`, hint: 'lower it, or give warmup_ratio instead' });
  }
  if (resume) {
    const step = loop.checkpoints.resume(loop.trainer, loop.selection);
    if (step === undefined) {
      throw new LlmkitError('io', 'there is no checkpoint to resume from', {
        where: loop.checkpoints.folder,
        hint: 'leave out --resume to begin',
      });
    }
    emit({ type: 'note', message: `resuming after step ${step}` });
    forgetMissingBest(loop, emit);
  } else {
    const last = loop.checkpoints.supersede();
    if (last !== undefined) {
      const message = `the checkpoints of an earlier run, up to step ${last}, go when this one has saved its first`;
      emit({ type: 'warning', message, where: loop.checkpoints.folder, hint: '--resume would go on from them' });
    }
  }
  const rows = loop.train.numRows;
  emit({ type: 'note', message: `${stage}: ${rows} rows, ${plan.stepsPerEpoch} steps an epoch, ${totalSteps} steps` });
}

/** Somebody removed the best checkpoint: the lowest loss from here on is the best that can be had. */
function forgetMissingBest({ selection, checkpoints }: LoopOptions, emit: CommandContext['emit']): void {
  const best = selection?.protectedStep;
  if (best === undefined || checkpoints.steps().includes(best)) return;
  selection?.restore(undefined);
  const message = `the checkpoint of step ${best}, the best so far, is gone: the best of the steps to come counts`;
  emit({ type: 'warning', message, where: checkpoints.folder });
}

export function checkLengths({ train, spec, stage }: TrainingRunOptions): void {
  if (train.numRows === 0) {
    throw new LlmkitError('data', 'the prepared data has no training rows', { hint: 'llmkit prepare -c <config>' });
  }
  if (train.maxLength <= spec.maxPositions) return;
  const key = stage === 'pretrain' ? 'pretrain.max_position_embeddings' : 'the base model';
  throw new LlmkitError('config', 'prepared rows are longer than the model can take', {
    where: 'prepare.max_length',
    expected: `at most ${spec.maxPositions} tokens (${key})`,
    got: `${train.maxLength}`,
    hint: 'lower prepare.max_length and prepare again',
  });
}
