import { LlmkitError } from '../core/errors.ts';
import type { LlmkitEvent } from '../core/events.ts';
import { StepPlan } from './batches.ts';
import type { RowSource } from './batches.ts';
import type { CheckpointStore } from './checkpoint.ts';
import { learningRateAt } from './schedule.ts';
import type { ScheduleOptions } from './schedule.ts';
import type { Trainer } from './trainer.ts';

export interface LoopOptions {
  stage: string;
  trainer: Trainer;
  train: RowSource;
  /** Absent or empty: no validation loss. */
  validation: RowSource | undefined;
  checkpoints: CheckpointStore;
  seed: number;
  batch: number;
  accumulation: number;
  epochs: number;
  maxSteps: number | undefined;
  schedule: Omit<ScheduleOptions, 'totalSteps' | 'warmupSteps'>;
  warmupSteps: number | undefined;
  warmupRatio: number;
  loggingSteps: number;
  evalSteps: number | undefined;
  saveSteps: number | undefined;
  emit: (event: LlmkitEvent) => void;
  signal: AbortSignal;
}

export interface LoopResult {
  totalSteps: number;
  /** Mean over the targets of the first and of the last `loggingSteps` steps that this process took. */
  firstLoss: number | undefined;
  lastLoss: number | undefined;
  validationLoss: number | undefined;
  /** Of this process: tokens that were not padding, targets, wall time. */
  tokens: number;
  targets: number;
  seconds: number;
}

/**
 * The steps that a run takes, and those of them that warm up. A ratio is rounded up, as transformers does, but never to all
 * of them: the only step of a run of one would have rate 0.
 */
export function planSteps(options: LoopOptions): { plan: StepPlan; totalSteps: number; schedule: ScheduleOptions } {
  const { batch, accumulation, seed, train } = options;
  const plan = new StepPlan({ numRows: train.numRows, seed, batch, accumulation });
  const totalSteps = options.maxSteps ?? Math.ceil(plan.stepsPerEpoch * options.epochs);
  const warmupSteps = options.warmupSteps ?? Math.min(Math.ceil(totalSteps * options.warmupRatio), totalSteps - 1);
  return { plan, totalSteps, schedule: { ...options.schedule, warmupSteps, totalSteps } };
}

/**
 * Trains from the trainer's step to the last one: steps, validation, checkpoints, progress. On abort the current step is
 * finished and checkpointed.
 *
 * @throws LlmkitError('interrupted') after an abort; what `Trainer.step` throws
 */
export async function trainLoop(options: LoopOptions): Promise<LoopResult> {
  const { trainer, train, checkpoints, emit, stage } = options;
  const { plan, totalSteps, schedule } = planSteps(options);
  const started = performance.now();
  const window: { loss: number; targets: number }[] = [];
  const result: LoopResult = {
    totalSteps,
    firstLoss: undefined,
    lastLoss: undefined,
    validationLoss: undefined,
    tokens: 0,
    targets: 0,
    seconds: 0,
  };
  let validatedAt = -1;
  const validate = async (): Promise<void> => {
    result.validationLoss = await validationLoss(options);
    if (options.signal.aborted) return;
    validatedAt = trainer.stepsDone;
    if (result.validationLoss === undefined) return;
    const step = trainer.stepsDone;
    emit({ type: 'metric', name: 'validation_loss', value: result.validationLoss, step });
    emit({ type: 'metric', name: 'validation_perplexity', value: Math.exp(result.validationLoss), step });
  };
  while (trainer.stepsDone < totalSteps) {
    const step = trainer.stepsDone;
    const learningRate = learningRateAt(step, schedule);
    const microBatches = plan.rowsOf(step).map((rows) => Array.from(rows, (index) => train.row(index)));
    const taken = performance.now();
    const outcome = trainer.step(microBatches, learningRate);
    const stepSeconds = (performance.now() - taken) / 1000;
    result.tokens += outcome.tokens;
    result.targets += outcome.targets;
    window.push({ loss: outcome.loss, targets: outcome.targets });
    if (window.length > options.loggingSteps) window.shift();
    if (window.length === options.loggingSteps) result.firstLoss ??= mean(window);
    emit({
      type: 'step',
      stage,
      current: trainer.stepsDone,
      total: totalSteps,
      unit: 'steps',
      values: {
        loss: outcome.loss,
        learning_rate: learningRate,
        grad_norm: outcome.gradNorm,
        tokens_per_second: outcome.tokens / stepSeconds,
        target_tokens: outcome.targets,
      },
    });
    const isLast = trainer.stepsDone === totalSteps;
    if (trainer.stepsDone % options.loggingSteps === 0 || isLast) {
      emit({ type: 'metric', name: 'loss', value: mean(window), step: trainer.stepsDone });
    }
    if (!isLast && due(options.evalSteps, trainer.stepsDone)) await validate();
    if (!isLast && due(options.saveSteps, trainer.stepsDone)) await save(options);
    // A turn of the event loop, so that an interruption can arrive.
    await new Promise((resolve) => setImmediate(resolve));
    if (options.signal.aborted && !isLast) throw interrupted(options, totalSteps, await save(options));
  }
  // Before the validation, which may take long: a run killed in it has lost no step.
  const last = await checkpoints.save(trainer);
  if (validatedAt !== trainer.stepsDone) await validate();
  if (options.signal.aborted && validatedAt !== trainer.stepsDone) throw interrupted(options, totalSteps, last);
  result.lastLoss = window.length > 0 ? mean(window) : undefined;
  result.firstLoss ??= result.lastLoss;
  result.seconds = (performance.now() - started) / 1000;
  return result;
}

const due = (every: number | undefined, step: number): boolean => every !== undefined && step % every === 0;

function mean(window: readonly { loss: number; targets: number }[]): number {
  const targets = window.reduce((sum, step) => sum + step.targets, 0);
  return window.reduce((sum, step) => sum + step.loss * step.targets, 0) / targets;
}

function interrupted({ trainer }: LoopOptions, totalSteps: number, path: string): LlmkitError {
  return new LlmkitError('interrupted', `stopped after step ${trainer.stepsDone} of ${totalSteps}`, {
    where: path,
    hint: 'the same command with --resume goes on from here',
  });
}

async function save({ checkpoints, trainer, emit }: LoopOptions): Promise<string> {
  const path = await checkpoints.save(trainer);
  emit({ type: 'artifact', kind: 'checkpoint', path });
  return path;
}

/** Mean loss over every target of the validation split, in nats; undefined without one, or when aborted on the way. */
async function validationLoss({ validation, trainer, batch, signal }: LoopOptions): Promise<number | undefined> {
  if (!validation || validation.numRows === 0) return undefined;
  let lossSum = 0;
  let targets = 0;
  for (let start = 0; start < validation.numRows; start += batch) {
    if (signal.aborted) return undefined;
    const count = Math.min(batch, validation.numRows - start);
    const rows = Array.from({ length: count }, (_, i) => validation.row(start + i));
    const part = trainer.evaluate(rows);
    lossSum += part.lossSum;
    targets += part.targets;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return targets === 0 ? undefined : lossSum / targets;
}
