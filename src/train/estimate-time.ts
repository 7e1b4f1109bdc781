import type { TfEngine } from '../engine/tf/index.ts';
import { alignedBuffer } from '../io/atomic.ts';
import type { WeightSource } from '../io/safetensors.ts';
import { initWeights } from '../model/init.ts';
import type { DecoderSpec } from '../model/spec.ts';
import { buildTrainingGraph } from '../decoder/training.ts';
import { graphCost } from './estimate-graph.ts';
import type { RunEstimate } from './estimate-run.ts';
import type { ShapeCount } from './estimate-shapes.ts';
import { graphOptions } from './programs.ts';
import { makeTrainer, programOptions } from './make-trainer.ts';
import type { TrainingRunOptions } from './run.ts';

/** How long a run will take, from a probe of its own step on one and two layers. */
export interface TimeEstimate {
  seconds: number;
  /** Of one micro-batch of the most frequent shape: forward, backward and its share of the optimizer. */
  passSeconds: number;
  /** Making the graphs ready, once. */
  setupSeconds: number;
  /** By shape, in the order of the data's; bytes of activations, gradients and temporaries at once. */
  shapes: { shape: ShapeCount['shape']; count: number; seconds: number; passBytes: number }[];
}

/** Floating point operations that take as long as a byte read or written outside of a product; their ratio is a machine's. */
const FLOPS_A_BYTE = 60;
/** Passes of a probe; the fastest counts. */
const ROUNDS = 3;
/** Shapes whose graphs are looked at one by one; rarer ones count as the last of them. */
const LOOKED_AT = 8;

/**
 * Measures the step on models of one and two layers of this shape, with weights of no meaning, and extends the line. The
 * rows are the run's own.
 */
export function estimateTime(engine: TfEngine, options: TrainingRunOptions, estimate: RunEstimate): TimeEstimate {
  const frequent = estimate.data.shapes[0]!;
  const rows = Array.from(frequent.rows, (index) => options.train.row(index));
  const layers = Math.min(2, options.spec.numLayers);
  const probes = Array.from({ length: layers }, (_, i) => {
    const part = partOf(options, i + 1);
    return { ...measure(engine, part, estimate, rows), work: costOf(part, estimate, frequent.shape).work };
  });
  const [first, last] = [probes[0]!, probes.at(-1)!];
  const slope = last.work > first.work ? (last.passSeconds - first.passSeconds) / (last.work - first.work) : 0;
  // Noise may hide what a layer takes: then all of it counts as work.
  const perWork = slope > 0 ? slope : last.passSeconds / last.work;
  const whole = costOf(options, estimate, frequent.shape).work;
  const passSeconds = last.passSeconds + (whole - last.work) * perWork;

  let looked = { work: whole, passBytes: 0 };
  const shapes = estimate.data.shapes.map(({ shape, count }, i) => {
    if (i < LOOKED_AT) looked = costOf(options, estimate, shape);
    return { shape, count, seconds: (passSeconds * looked.work) / whole, passBytes: looked.passBytes };
  });
  const growth = last.setupSeconds - first.setupSeconds;
  const setup = last.setupSeconds + Math.max(0, growth) * (options.spec.numLayers - layers);
  const setupSeconds = setup * shapes.length;
  const training = shapes.reduce((sum, { count, seconds }) => sum + count * seconds, 0);
  const seconds = training + setupSeconds + validationSeconds(options, estimate, passSeconds);
  return { seconds, passSeconds, setupSeconds, shapes };
}

/** A forward pass is a third of a step. */
function validationSeconds({ validation, config }: TrainingRunOptions, { data }: RunEstimate, pass: number): number {
  if (!validation) return 0;
  const every = config.eval_steps;
  const times = 1 + (every === undefined ? 0 : Math.floor((data.totalSteps - 1) / every));
  return (times * Math.ceil(validation.numRows / config.per_device_train_batch_size) * pass) / 3;
}

/** The same run of a model of fewer layers, one micro-batch a step. */
function partOf(options: TrainingRunOptions, numLayers: number): TrainingRunOptions {
  const spec = { ...options.spec, numLayers };
  const source = meaninglessWeights(spec);
  const config = { ...options.config, gradient_accumulation_steps: 1 };
  const part = { ...options, spec, source, config, initial: () => ({ get: () => undefined }) };
  const trainsNothing = !options.lora && !trainsAny(options.trains, spec);
  return trainsNothing ? { ...part, trains: () => true } : part;
}

function trainsAny(trains: TrainingRunOptions['trains'], spec: DecoderSpec): boolean {
  return trains === undefined || [...initWeights(spec, 0).tensors.keys()].some((name) => trains(name));
}

function measure(
  engine: TfEngine,
  options: TrainingRunOptions,
  { precision, memory }: RunEstimate,
  rows: Parameters<ReturnType<typeof makeTrainer>['step']>[0][number],
): { passSeconds: number; setupSeconds: number } {
  const trainer = makeTrainer(engine, options, { precision, memory });
  try {
    const times = Array.from({ length: ROUNDS + 1 }, () => {
      const begun = performance.now();
      trainer.step([rows], 0);
      return (performance.now() - begun) / 1000;
    });
    const passSeconds = Math.min(...times.slice(1));
    return { passSeconds, setupSeconds: Math.max(0, times[0]! - passSeconds) };
  } finally {
    trainer.dispose();
  }
}

/** What a pass computes and moves, in floating point operations, and the memory that it takes. */
function costOf(
  options: TrainingRunOptions,
  estimate: RunEstimate,
  shape: ShapeCount['shape'],
): { work: number; passBytes: number } {
  const program = { ...programOptions(options, estimate), accumulate: false };
  const { graph } = buildTrainingGraph(graphOptions(program, shape));
  const { flops, movedBytes, peakBytes } = graphCost(graph, { inPlace: true });
  return { work: flops + FLOPS_A_BYTE * movedBytes, passBytes: peakBytes };
}

/** Every weight 0.01: finite whatever the family, and made at once. */
function meaninglessWeights(spec: DecoderSpec): WeightSource {
  const { tensors, metadata } = initWeights(spec, 0);
  const readF32 = (name: string): Float32Array => {
    const size = tensors.get(name)!.shape.reduce((product, dim) => product * dim, 1);
    const { buffer, byteOffset } = alignedBuffer(size * 4);
    return new Float32Array(buffer, byteOffset, size).fill(0.01);
  };
  return {
    tensors,
    metadata,
    readF32,
    read: (name) => {
      const { buffer, byteOffset, byteLength } = readF32(name);
      return new Uint8Array(buffer, byteOffset, byteLength);
    },
    close: () => {},
  };
}
