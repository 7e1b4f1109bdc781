import { buildTrainingGraph } from '../decoder/training.ts';
import type { DecoderGraph, Objective, TrainingGraphOptions } from '../decoder/training.ts';
import type { LoraOptions } from '../decoder/training-weights.ts';
import type { TfEngine, TfProgram } from '../engine/tf/index.ts';
import { lowerToTensorFlow } from '../graph/index.ts';
import type { DecoderSpec } from '../model/spec.ts';
import type { BatchShape } from './batches.ts';

/** What a training run's graphs have in common; their sizes vary from batch to batch. */
export interface ProgramOptions {
  spec: DecoderSpec;
  lora: LoraOptions | undefined;
  /** Which weights of the checkpoint are trained; see `TrainingWeightsOptions`. */
  trains?: ((name: string) => boolean) | undefined;
  matrixDType: 'f32' | 'bf16';
  memory: 'none' | 'layer';
  accumulate: boolean;
  /** Absent: cross entropy alone. */
  objective?: Objective | undefined;
}

/** Queries that attention takes at a time: measured best on two cores among 128, 256, 512. */
const ATTENTION_BLOCK = 256;
/**
 * Sessions kept; the one used longest ago goes first. Each holds a graph, not weights. Rows of up to 2,048 tokens in batches
 * of like lengths have about 26 sizes: fewer kept would all be compiled again and again.
 */
export const MAX_PROGRAMS = 32;

/** Graphs compiled for the sizes that turn up, kept while they are in use. */
export class ProgramCache {
  readonly #engine: TfEngine;
  readonly #options: ProgramOptions;
  readonly #programs = new Map<string, TfProgram>();

  constructor(engine: TfEngine, options: ProgramOptions) {
    this.#engine = engine;
    this.#options = options;
  }

  get size(): number {
    return this.#programs.size;
  }

  /** The program for batches of this shape: forward and backward, or forward only. */
  get(shape: BatchShape, produce: 'gradients' | 'loss'): TfProgram {
    const key = `${produce} ${shape.batch} ${shape.length} ${shape.band} ${shape.targets}`;
    let program = this.#programs.get(key);
    if (program) this.#programs.delete(key);
    else program = this.#compile(shape, produce);
    this.#programs.set(key, program);
    if (this.#programs.size > MAX_PROGRAMS) {
      const [oldest, unused] = this.#programs.entries().next().value!;
      unused.dispose();
      this.#programs.delete(oldest);
    }
    return program;
  }

  dispose(): void {
    for (const program of this.#programs.values()) program.dispose();
    this.#programs.clear();
  }

  #compile(shape: BatchShape, produce: 'gradients' | 'loss'): TfProgram {
    const { graph } = buildTrainingGraph({ ...graphOptions(this.#options, shape), produce });
    return this.#engine.load(lowerToTensorFlow(graph, this.#engine.kind));
  }
}

export function graphOptions(
  options: ProgramOptions,
  { batch, length, band, targets }: BatchShape,
): TrainingGraphOptions {
  const { spec, lora, trains, matrixDType, memory, accumulate, objective } = options;
  const shape = { batch, length, band, blockSize: Math.min(ATTENTION_BLOCK, length) };
  return { spec, shape, targets, lora, trains, matrixDType, memory, accumulate, objective, produce: 'gradients' };
}

/** The weights that the graphs want, found by building a small one. */
export function weightsOf(options: ProgramOptions): DecoderGraph['weights'] {
  const shape: BatchShape = { batch: 1, length: 32, band: 32, targets: 32 };
  return buildTrainingGraph({ ...graphOptions(options, shape), produce: 'loss' }).weights;
}
