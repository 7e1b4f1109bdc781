import { LlmkitError } from '../core/errors.ts';
import { formatBytes } from '../core/format.ts';
import { availableMemory } from '../core/memory.ts';
import type { BatchShape } from './batches.ts';
import { estimateData } from './estimate-shapes.ts';
import type { DataEstimate } from './estimate-shapes.ts';
import { estimateMemory } from './estimate.ts';
import type { MemoryEstimate } from './estimate.ts';
import { planSteps } from './loop.ts';
import type { StepOptions } from './loop.ts';
import { programOptions } from './make-trainer.ts';
import type { ModelOptions } from './make-trainer.ts';
import type { TrainingRunOptions } from './run.ts';

/** What is settled before a run begins, and what it is expected to take. */
export interface RunEstimate {
  precision: 'fp32' | 'bf16';
  memory: 'none' | 'layer';
  data: DataEstimate;
  peak: MemoryEstimate;
}

export interface Settings {
  engine: 'native' | 'wasm';
  precision: 'fp32' | 'bf16';
  memory: 'auto' | 'none' | 'layer';
  steps: StepOptions;
  /** More than this is refused; undefined: nothing is. */
  maxBytes: number | undefined;
  /** What the process holds with the engine loaded; what it holds now, unless given. */
  baseBytes?: number;
}

/** Of the memory that is free, the share that `memory: auto` lets a run have before it computes blocks again. */
const FREE_SHARE = 0.8;

type Model = ModelOptions & Pick<TrainingRunOptions, 'train' | 'source'>;

/**
 * Steps, tokens and peak memory of a run, and whether it keeps activations: `memory: auto` keeps them where the peak fits
 * into the memory that is free, or that the run is held to.
 *
 * @throws LlmkitError('config') when more than `maxBytes` would be taken, saying which settings would fit
 */
export function estimateRun(model: Model, settings: Settings): RunEstimate {
  const baseBytes = settings.baseBytes ?? process.memoryUsage.rss();
  const { plan, totalSteps } = planSteps(settings.steps);
  const data = estimateData(plan, totalSteps, model.train, settings.steps.batch);
  const shapes = data.shapes.map(({ shape }) => shape);
  const at = (change: Partial<Trial>): MemoryEstimate => {
    const trial = { shapes, precision: settings.precision, accumulation: settings.steps.accumulation, ...change };
    return peakOf(model, settings.engine, baseBytes, { memory: 'none', ...trial });
  };
  const { precision, memory: setting, maxBytes } = settings;
  const limit = maxBytes ?? FREE_SHARE * (availableMemory() + process.memoryUsage.rss());
  let memory: 'none' | 'layer' = setting === 'layer' ? 'layer' : 'none';
  let peak = at({ memory });
  if (setting === 'auto' && peak.peakBytes > limit) {
    memory = 'layer';
    peak = at({ memory });
  }
  if (maxBytes !== undefined && peak.peakBytes > maxBytes) {
    throw refusal(peak, maxBytes, settings, fitting(at, maxBytes, shapes, { ...settings, memory }));
  }
  return { precision, memory, data, peak };
}

/** Settings that memory depends on. */
interface Trial {
  memory: 'none' | 'layer';
  precision: 'fp32' | 'bf16';
  accumulation: number;
  shapes: readonly BatchShape[];
}

function peakOf(model: Model, engine: 'native' | 'wasm', baseBytes: number, trial: Trial): MemoryEstimate {
  const program = { ...programOptions(model, trial), accumulate: trial.accumulation > 1 };
  const storedAsBf16 = (name: string): boolean => model.source.tensors.get(name)?.dtype === 'BF16';
  return estimateMemory({
    program,
    shapes: trial.shapes,
    engine,
    baseBytes,
    storedAsBf16,
    samples: model.config.sample_prompts.length > 0,
  });
}

/** Changes of the config that would fit, the least first, each with its peak. */
function fitting(
  at: (change: Partial<Trial>) => MemoryEstimate,
  maxBytes: number,
  shapes: readonly BatchShape[],
  { memory, engine, steps, precision }: Settings & { memory: 'none' | 'layer' },
): string[] {
  const { batch, accumulation } = steps;
  const found: string[] = [];
  const tryOne = (what: string, change: Partial<Trial>): boolean => {
    const { peakBytes } = at({ memory, ...change });
    if (peakBytes <= maxBytes) found.push(`${what} (${formatBytes(peakBytes)})`);
    return peakBytes <= maxBytes;
  };
  if (memory === 'none') tryOne('memory: layer', { memory: 'layer' });
  if (precision === 'fp32' && engine === 'native') tryOne('precision: bf16', { precision: 'bf16' });
  const smaller = (rows: number): Partial<Trial> => ({
    shapes: shapes.map((shape) => resized(shape, rows, shape.length)),
    accumulation: accumulation * (batch / rows),
  });
  const batchText = (rows: number): string =>
    `per_device_train_batch_size: ${rows} with gradient_accumulation_steps: ${accumulation * (batch / rows)}`;
  const sizes = divisors(batch);
  if (!sizes.some((rows) => tryOne(batchText(rows), smaller(rows)))) {
    sizes.some((rows) => tryOne(`${batchText(rows)} and memory: layer`, { ...smaller(rows), memory: 'layer' }));
  }
  const longest = Math.max(...shapes.map(({ length }) => length));
  for (let length = longest / 2; length >= 64; length /= 2) {
    const shorter = shapes.map((shape) => resized(shape, shape.batch, Math.min(shape.length, length)));
    if (tryOne(`prepare.max_length: ${length}`, { shapes: shorter })) break;
  }
  return found;
}

/** Divisors of a batch below it, the largest first: the step stays the same with that many times the passes. */
function divisors(batch: number): number[] {
  return Array.from({ length: batch - 1 }, (_, i) => batch - 1 - i).filter((rows) => batch % rows === 0);
}

function resized({ batch, length, band, targets }: BatchShape, rows: number, tokens: number): BatchShape {
  const share = (rows * tokens) / (batch * length);
  return { batch: rows, length: tokens, band: Math.min(band, tokens), targets: Math.ceil(targets * share) };
}

function refusal(peak: MemoryEstimate, maxBytes: number, { steps }: Settings, found: readonly string[]): LlmkitError {
  const { engine, frozenWeights, trainedWeights, optimizerStates, working } = peak.parts;
  const parts = [
    `engine ${formatBytes(engine)}`,
    `weights ${formatBytes(frozenWeights + trainedWeights)}`,
    `optimizer ${formatBytes(optimizerStates)}`,
    `a pass over ${peak.largest.batch} x ${peak.largest.length} tokens ${formatBytes(working)}`,
  ];
  return new LlmkitError('config', `${steps.stage} would take ${formatBytes(peak.peakBytes)} of memory`, {
    where: '--max-memory',
    expected: `at most ${formatBytes(maxBytes)}`,
    got: parts.join(', '),
    hint:
      found.length > 0
        ? `these would fit: ${found.join('; ')}`
        : 'no batch, length or precision of this model fits: take a smaller model or more memory',
  });
}
