import { LlmkitError } from '../core/errors.ts';
import type { LlmkitEvent } from '../core/events.ts';
import { StepPlan } from './batches.ts';
import type { RowSource } from './batches.ts';
import type { CheckpointStore } from './checkpoint.ts';
import { Divergence } from './divergence.ts';
import { learningRateAt } from './schedule.ts';
import type { ScheduleOptions } from './schedule.ts';
import type { Selection } from './selection.ts';
import type { StepResult, Trainer } from './trainer.ts';

export interface LoopOptions {
  stage: string;
  trainer: Trainer;
  train: RowSource;
  /** Absent or empty: no validation loss. */
  validation: RowSource | undefined;
  checkpoints: CheckpointStore;
  seed: number;
  /** Tokens of each training row, where rows of like length are to go together. */
  lengths?: ArrayLike<number> | undefined;
  batch: number;
  accumulation: number;
  epochs: number;
  maxSteps: number | undefined;
  schedule: Omit<ScheduleOptions, 'totalSteps' | 'warmupSteps'>;
  /** Of warmup_stable_decay, where `schedule.decaySteps` is not given. */
  decayRatio?: number;
  warmupSteps: number | undefined;
  warmupRatio: number;
  /** Stops early and keeps the best, where that is wanted. */
  selection?: Selection | undefined;
  /** A step whose loss is this many times the mean of the `SPIKE_WINDOW` before it stops the run. */
  lossSpikeFactor?: number | undefined;
  loggingSteps: number;
  evalSteps: number | undefined;
  /** Lets the model say something at a step; called with every validation. */
  sample?: ((step: number) => Promise<void>) | undefined;
  saveSteps: number | undefined;
  emit: (event: LlmkitEvent) => void;
  signal: AbortSignal;
}

export interface LoopResult {
  /** Steps of the plan; `stoppedAt` where early stopping took fewer. */
  totalSteps: number;
  stoppedAt?: number;
  /** The step whose weights the run ended with, where it looks for the best; `validationLoss` is that step's. */
  bestStep?: number;
  /** Mean over the targets of the first and of the last `loggingSteps` steps that this process took. */
  firstLoss: number | undefined;
  lastLoss: number | undefined;
  validationLoss: number | undefined;
  /** Of this process: tokens that were not padding, targets, wall time. */
  tokens: number;
  targets: number;
  seconds: number;
}

/** What decides which steps there are. */
export type StepOptions = Pick<
  LoopOptions,
  | 'stage'
  | 'train'
  | 'seed'
  | 'lengths'
  | 'batch'
  | 'accumulation'
  | 'epochs'
  | 'maxSteps'
  | 'schedule'
  | 'decayRatio'
  | 'warmupSteps'
  | 'warmupRatio'
>;

/**
 * The steps that a run takes, and those of them that warm up. A ratio is rounded up, as transformers does, but never to all
 * of them: the only step of a run of one would have rate 0.
 */
export function planSteps(options: StepOptions): { plan: StepPlan; totalSteps: number; schedule: ScheduleOptions } {
  const { batch, accumulation, seed, train, lengths } = options;
  const plan = new StepPlan({ numRows: train.numRows, seed, batch, accumulation, lengths });
  const totalSteps = options.maxSteps ?? Math.ceil(plan.stepsPerEpoch * options.epochs);
  const warmupSteps = options.warmupSteps ?? Math.min(Math.ceil(totalSteps * options.warmupRatio), totalSteps - 1);
  const schedule = { ...options.schedule, warmupSteps, totalSteps };
  if (schedule.type !== 'warmup_stable_decay') return { plan, totalSteps, schedule };
  const rest = totalSteps - warmupSteps;
  const decaySteps = schedule.decaySteps ?? Math.min(Math.ceil(totalSteps * (options.decayRatio ?? 0.1)), rest);
  if (decaySteps > rest) {
    throw new LlmkitError('config', 'warmup and decay take more steps than there are', {
      where: `${options.stage}.lr_scheduler_kwargs.num_decay_steps`,
      expected: `at most ${rest} of ${totalSteps} steps, after ${warmupSteps} of warmup`,
      got: String(decaySteps),
    });
  }
  return { plan, totalSteps, schedule: { ...schedule, decaySteps } };
}

/** Steps whose mean loss says what is usual. */
const SPIKE_WINDOW = 20;

/**
 * Trains from the trainer's step to the last one: steps, validation, checkpoints, progress. On abort the current step is
 * finished and checkpointed.
 *
 * @throws LlmkitError('interrupted') after an abort; what `Trainer.step` throws
 */
export async function trainLoop(options: LoopOptions): Promise<LoopResult> {
  const { trainer, checkpoints, emit, stage, selection } = options;
  const { plan, totalSteps, schedule } = planSteps(options);
  const started = performance.now();
  const window: { loss: number; targets: number }[] = [];
  const recent: number[] = [];
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
  /** @returns whether the loss is the lowest so far */
  const validate = async (): Promise<boolean> => {
    const loss = await validationLoss(options);
    if (options.signal.aborted) return false;
    const step = trainer.stepsDone;
    validatedAt = step;
    result.validationLoss = loss;
    await options.sample?.(step);
    if (loss === undefined) return false;
    if (!Number.isFinite(loss)) throw validationDiverged(options, loss);
    emit({ type: 'metric', name: 'validation_loss', value: loss, step });
    emit({ type: 'metric', name: 'validation_perplexity', value: Math.exp(loss), step });
    return selection?.observe(loss, step) ?? false;
  };
  // A validation that an interruption cut short is made up for: whether to stop must not depend on the interruption.
  const missed = selection !== undefined && selection.state?.validatedStep !== trainer.stepsDone;
  if (missed && isBetween(trainer.stepsDone, totalSteps) && due(options.evalSteps, trainer.stepsDone)) await validate();
  const stopped = (): boolean => selection?.stopped ?? false;
  while (trainer.stepsDone < totalSteps && !stopped()) {
    const step = trainer.stepsDone;
    const learningRate = learningRateAt(step, schedule);
    const indices = plan.rowsOf(step);
    const taken = performance.now();
    const outcome = takeStep(options, indices, learningRate, spikeLimit(recent, options.lossSpikeFactor));
    const stepSeconds = (performance.now() - taken) / 1000;
    result.tokens += outcome.tokens;
    result.targets += outcome.targets;
    recent.push(outcome.loss);
    if (recent.length > SPIKE_WINDOW) recent.shift();
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
    let isLast = trainer.stepsDone === totalSteps;
    if (trainer.stepsDone % options.loggingSteps === 0 || isLast) {
      emit({ type: 'metric', name: 'loss', value: mean(window), step: trainer.stepsDone });
    }
    // Before the checkpoint, which says what was seen.
    const isBest = !isLast && due(options.evalSteps, trainer.stepsDone) && (await validate());
    isLast ||= stopped();
    const wanted = due(options.saveSteps, trainer.stepsDone) || (isBest && selection?.options.keepBest === true);
    if (!isLast && wanted) await save(options);
    // A turn of the event loop, so that an interruption can arrive.
    await new Promise((resolve) => setImmediate(resolve));
    if (options.signal.aborted && !isLast) throw interrupted(options, totalSteps, await save(options));
  }
  // Before the validation, which may take long: a run killed in it has lost no step. Nothing goes before it is seen.
  const last = await checkpoints.save(trainer, selection);
  if (validatedAt !== trainer.stepsDone) await validate();
  checkpoints.rotate(selection);
  if (options.signal.aborted && validatedAt !== trainer.stepsDone) throw interrupted(options, totalSteps, last);
  conclude(options, result);
  result.lastLoss = window.length > 0 ? mean(window) : undefined;
  result.firstLoss ??= result.lastLoss;
  result.seconds = (performance.now() - started) / 1000;
  return result;
}

const isBetween = (step: number, totalSteps: number): boolean => step > 0 && step < totalSteps;

/** A step whose divergence, should it come to that, names rows of the data and the last good checkpoint. */
function takeStep(
  { trainer, train, checkpoints }: LoopOptions,
  indices: readonly Int32Array[],
  learningRate: number,
  lossLimit: number,
): StepResult {
  const microBatches = indices.map((rows) => Array.from(rows, (index) => train.row(index)));
  try {
    return trainer.step(microBatches, learningRate, lossLimit);
  } catch (error) {
    if (!(error instanceof Divergence)) throw error;
    throw error.withRows(
      indices.flatMap((rows) => [...rows]),
      checkpoints.newest(),
    );
  }
}

function spikeLimit(recent: readonly number[], factor: number | undefined): number {
  if (factor === undefined || recent.length < SPIKE_WINDOW) return Number.POSITIVE_INFINITY;
  return (factor * recent.reduce((sum, loss) => sum + loss)) / recent.length;
}

/** The last step of all is saved before it is validated: that checkpoint goes. */
function validationDiverged({ trainer, checkpoints, stage }: LoopOptions, loss: number): LlmkitError {
  checkpoints.discard(trainer.stepsDone);
  const lastGood = checkpoints.newest();
  return new LlmkitError('data', `the validation loss after step ${trainer.stepsDone} is ${loss}`, {
    where: `${stage}: validation`,
    expected: 'a finite loss',
    got: String(loss),
    hint: `lower learning_rate and start again; ${lastGood === undefined ? 'no checkpoint was saved before' : `the last good checkpoint is ${lastGood}`}`,
  });
}

/** Says that it stopped early, and puts the best weights into the trainer. */
function conclude({ trainer, selection, checkpoints, emit }: LoopOptions, result: LoopResult): void {
  const state = selection?.state;
  if (!selection || !state) return;
  const { bestStep, bestLoss, sinceBest } = state;
  if (trainer.stepsDone < result.totalSteps) {
    result.stoppedAt = trainer.stepsDone;
    const message = `stopped early after step ${trainer.stepsDone}: ${sinceBest} validations without a lower loss than ${bestLoss.toFixed(4)} (step ${bestStep})`;
    emit({ type: 'note', message });
  }
  if (!selection.options.keepBest) return;
  result.bestStep = bestStep;
  result.validationLoss = bestLoss;
  if (bestStep === trainer.stepsDone) return;
  checkpoints.load(trainer, bestStep);
  emit({ type: 'note', message: `the weights are those of step ${bestStep}, validation loss ${bestLoss.toFixed(4)}` });
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

async function save({ checkpoints, trainer, emit, selection }: LoopOptions): Promise<string> {
  const path = await checkpoints.save(trainer, selection);
  checkpoints.rotate(selection);
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
