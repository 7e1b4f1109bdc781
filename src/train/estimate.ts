import type { TrainedWeight } from './adamw.ts';
import { buildAdamW } from './adamw.ts';
import type { BatchShape } from './batches.ts';
import { buildTrainingGraph } from '../decoder/training.ts';
import { graphCost } from './estimate-graph.ts';
import { largestShapes } from './estimate-shapes.ts';
import { updateGroups } from './optimizer.ts';
import { MAX_PROGRAMS, graphOptions, weightsOf } from './programs.ts';
import type { ProgramOptions } from './programs.ts';

/** What the memory of a run depends on. */
export interface MemoryQuestion {
  program: ProgramOptions;
  /** Of every micro-batch of the run. */
  shapes: readonly BatchShape[];
  engine: 'native' | 'wasm';
  /** What the process holds with the engine loaded and nothing else. */
  baseBytes: number;
  /** Whether a frozen weight lies as bf16 in its file; others go through a copy in f32, which is freed late. */
  storedAsBf16: (name: string) => boolean;
  /** Whether the model answers prompts on the way. */
  samples: boolean;
}

/** The peak of a run, and what it is made of. */
export interface MemoryEstimate {
  peakBytes: number;
  /** They add up to the peak. */
  parts: {
    engine: number;
    /** f32 copies of weights that are held as bf16. */
    loading: number;
    /** The inference engine and its own copy of the weights, in f32. */
    samples: number;
    frozenWeights: number;
    trainedWeights: number;
    optimizerStates: number;
    /** Gradients and activations, or those and what the optimizer renews at a time: what is alive at the peak. */
    working: number;
  };
  /** Where the peak is: in the forward and backward pass of a micro-batch, or in the optimizer's step. */
  phase: 'gradients' | 'optimizer';
  /** The micro-batch that makes the largest pass. */
  largest: BatchShape;
  /** Bytes of its activations, gradients and temporaries at once. */
  largestBytes: number;
}

/** Measured: what a program holds for each node beside its tensors, and what making the first ready takes once. */
const NODE_BYTES = 14_000;
const FIRST_NODE_BYTES = 36_000;
/** Measured: JavaScript's heap, the data at hand, a checkpoint on its way. */
const RUN_BYTES = 50e6;
/** Measured: ONNX Runtime itself. */
const SAMPLER_BYTES = 80e6;
/** Measured: TensorFlow's allocator splits and rounds, and two threads run ahead of the order that is walked. */
const ALLOCATED = 1.1;
/** tfjs keeps a weight in JavaScript and in the heap of its wasm module. */
const COPIES = { native: 1, wasm: 2 } as const;

/**
 * The peak memory of a training run before it begins: weights and states by their sizes, activations by walking the very
 * graphs that the run will build.
 */
export function estimateMemory(question: MemoryQuestion): MemoryEstimate {
  const { program, shapes, engine, baseBytes, storedAsBf16, samples } = question;
  const manner = { inPlace: engine === 'native' };
  const weights = weightsOf(program);
  const bytes = (trained: boolean): number =>
    weights
      .filter((weight) => weight.trained === trained)
      .reduce((sum, { shape, dtype }) => sum + sizeOf(shape) * (dtype === 'bf16' ? 2 : 4), 0);
  const trainedBytes = bytes(true);
  const copied = weights
    .filter(({ name, dtype, trained }) => !trained && dtype === 'bf16' && !storedAsBf16(name))
    .reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0);
  let largest: { shape: BatchShape; bytes: number; ops: number } | undefined;
  for (const shape of largestShapes(shapes)) {
    const { graph } = buildTrainingGraph(graphOptions(program, shape));
    const { peakBytes, ops } = graphCost(graph, manner);
    if (largest === undefined || peakBytes > largest.bytes) largest = { shape, bytes: peakBytes, ops };
  }
  const pass = largest!;
  const trained: TrainedWeight[] = weights.filter((weight) => weight.trained);
  const updates = new Map(updateGroups(trained, ANY_ADAMW).map(({ key, weights: group }) => [key, group]));
  const update = Math.max(
    0,
    ...[...updates.values()].map((group) => graphCost(buildAdamW(group, ANY_ADAMW, 'given'), manner).peakBytes),
  );
  // Sums of earlier micro-batches lie beside the new ones.
  const sums = program.accumulate ? trainedBytes : 0;
  const passBytes = ALLOCATED * pass.bytes + sums;
  const updateBytes = ALLOCATED * update + trainedBytes;
  const phase = updateBytes > passBytes ? 'optimizer' : 'gradients';
  const copies = COPIES[engine];
  const programs = Math.min(shapes.length, MAX_PROGRAMS);
  const parts = {
    engine: baseBytes + RUN_BYTES + (FIRST_NODE_BYTES + programs * NODE_BYTES) * pass.ops,
    loading: copied,
    samples: samples ? SAMPLER_BYTES + 4 * weights.reduce((sum, { shape }) => sum + sizeOf(shape), 0) : 0,
    frozenWeights: copies * bytes(false),
    trainedWeights: copies * trainedBytes,
    optimizerStates: copies * 2 * trainedBytes,
    working: Math.max(passBytes, updateBytes),
  };
  const peakBytes = Object.values(parts).reduce((sum, part) => sum + part, 0);
  return { peakBytes, parts, phase, largest: pass.shape, largestBytes: pass.bytes };
}

/** The memory of a step does not depend on them. */
const ANY_ADAMW = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01, maxGradNorm: 1 };

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1);
