import { LlmkitError } from '../core/errors.ts';
import type { LoraOptions } from '../decoder/training-weights.ts';
import { ACCUMULATED, GRADIENT } from '../decoder/training.ts';
import type { Objective } from '../decoder/training.ts';
import type { TfEngine, TfTensor } from '../engine/tf/index.ts';
import { alignedBuffer } from '../io/atomic.ts';
import type { WeightSource } from '../io/safetensors.ts';
import type { DecoderSpec } from '../model/spec.ts';
import { FIRST_MOMENT, SECOND_MOMENT } from './adamw.ts';
import type { AdamWOptions, TrainedWeight } from './adamw.ts';
import { makeMicroBatch } from './batches.ts';
import type { MicroBatch, TrainingRow } from './batches.ts';
import { Divergence } from './divergence.ts';
import type { DivergenceRecord } from './divergence.ts';
import { Optimizer } from './optimizer.ts';
import { ProgramCache, weightsOf } from './programs.ts';
import type { ProgramOptions } from './programs.ts';
import { loadFrozen } from './weights.ts';
import type { InitialValues } from './weights.ts';

export interface TrainerOptions {
  engine: TfEngine;
  spec: DecoderSpec;
  /** Absent: no adapters. */
  lora: LoraOptions | undefined;
  /** Which weights of the checkpoint are trained; see `TrainingWeightsOptions`. */
  trains?: ((name: string) => boolean) | undefined;
  matrixDType: 'f32' | 'bf16';
  memory: 'none' | 'layer';
  /** Where frozen weights are read from. */
  source: WeightSource;
  /** First values of the trained weights, by name. */
  initial: InitialValues;
  adamw: AdamWOptions;
  /** Absent: cross entropy alone. */
  objective?: Objective | undefined;
  /** Rows of a micro-batch. */
  batch: number;
  accumulation: number;
  /** Rows are padded no further than this. */
  maxLength: number;
  seed: number;
}

export interface StepResult {
  /** Mean over the step's targets, in nats. */
  loss: number;
  /** Global norm of the gradient of that mean, before clipping. */
  gradNorm: number;
  targets: number;
  tokens: number;
}

type Tensors = Record<string, TfTensor>;

/** The numbers of a run, held by the engine: frozen weights, trained weights, their moments; and the graphs that move them. */
export class Trainer {
  readonly trained: TrainedWeight[];
  readonly #options: Omit<TrainerOptions, 'initial' | 'source'>;
  readonly #programs: ProgramCache;
  readonly #optimizer: Optimizer;
  readonly #frozen: Tensors;
  /** Trained weights and their moments, by the names of the optimizer's graph. */
  readonly #state: Tensors = {};
  #stepsDone = 0;

  constructor(options: TrainerOptions) {
    // The first values go out of reach: a model trained whole would be held twice.
    const { initial, source, ...kept } = options;
    this.#options = kept;
    const { engine, accumulation } = kept;
    const programOptions: ProgramOptions = { ...kept, accumulate: accumulation > 1 };
    const weights = weightsOf(programOptions);
    this.trained = weights.filter((weight) => weight.trained).map(({ name, shape }) => ({ name, shape }));
    this.#programs = new ProgramCache(engine, programOptions);
    this.#optimizer = new Optimizer(engine, this.trained, options.adamw);
    this.#frozen = loadFrozen(engine, weights, source);
    for (const weight of this.trained) {
      this.#put(weight.name, weight, initial.get(weight.name));
      this.#put(FIRST_MOMENT + weight.name, weight, undefined);
      this.#put(SECOND_MOMENT + weight.name, weight, undefined);
    }
  }

  get stepsDone(): number {
    return this.#stepsDone;
  }

  /** How many programs have been compiled and kept, for reports and leak tests. */
  get programCount(): number {
    return this.#programs.size;
  }

  /**
   * One optimizer step over micro-batches of rows. The loss is divided by all targets of the step, so that accumulating
   * equals one large batch.
   *
   * @param lossLimit a higher loss is taken for divergence
   * @throws LlmkitError('data') when no row carries a target; Divergence when the loss or the gradient is not finite, or
   *   the loss is above its limit. The weights are then as they were before the step
   */
  step(
    microBatches: readonly (readonly TrainingRow[])[],
    learningRate: number,
    lossLimit: number = Number.POSITIVE_INFINITY,
  ): StepResult {
    const { batch, maxLength, adamw } = this.#options;
    const batches = microBatches.map((rows) => makeMicroBatch(rows, batch, maxLength));
    const targets = batches.reduce((sum, { targets: n }) => sum + n, 0);
    const tokens = batches.reduce((sum, { tokens: n }) => sum + n, 0);
    if (targets === 0) throw new LlmkitError('data', `step ${this.#stepsDone + 1} has no token to learn from`);
    let gradients: Tensors | undefined;
    let lossSum = 0;
    for (const [index, micro] of batches.entries()) {
      const results = this.#gradients(micro, index, gradients);
      lossSum += this.#take(results, 'loss');
      disposeAll(gradients);
      gradients = results;
    }
    const t = this.#stepsDone + 1;
    const scalars = this.#scalars({
      learning_rate: learningRate,
      gradient_scale: 1 / targets,
      correction1: 1 - adamw.beta1 ** t,
      correction2: 1 - adamw.beta2 ** t,
    });
    scalars['gradient_norm'] = this.#optimizer.norm(gradients!, scalars['gradient_scale']!);
    const gradNorm = this.#options.engine.read(scalars['gradient_norm'])[0]!;
    const loss = lossSum / targets;
    if (!Number.isFinite(loss) || !Number.isFinite(gradNorm) || loss > lossLimit) {
      disposeAll(scalars);
      const firstNonFinite = this.#firstNonFinite(gradients ?? {});
      disposeAll(gradients);
      const rowLosses = microBatches.flat().map((row) => this.#rowLoss(row));
      const record: DivergenceRecord = { step: t, loss, gradNorm, learningRate, firstNonFinite, rowLosses };
      throw new Divergence(record);
    }
    this.#optimizer.update(this.#state, gradients!, scalars);
    disposeAll(scalars);
    this.#stepsDone = t;
    return { loss, gradNorm, targets, tokens };
  }

  /** Sum of the losses and number of targets of some rows, without dropout. */
  evaluate(rows: readonly TrainingRow[]): { lossSum: number; targets: number } {
    const { batch, maxLength } = this.#options;
    const micro = makeMicroBatch(rows, batch, maxLength);
    if (micro.targets === 0) return { lossSum: 0, targets: 0 };
    const feeds = this.#feeds(micro);
    const weights = this.#weights();
    const results = this.#programs.get(micro.shape, 'loss').run({ ...feeds, ...weights });
    disposeAll(feeds);
    return { lossSum: this.#take(results, 'loss'), targets: micro.targets };
  }

  /** The first in the order of the backward pass, which is the last in that of the graph. */
  #firstNonFinite(gradients: Tensors): string | undefined {
    return this.trained
      .map(({ name }) => name)
      .findLast((name) => {
        const values = this.#options.engine.read(gradients[GRADIENT + name]!);
        return !values.every(Number.isFinite);
      });
  }

  #rowLoss(row: TrainingRow): number | undefined {
    const { lossSum, targets } = this.evaluate([row]);
    return targets === 0 ? undefined : lossSum / targets;
  }

  /** Trained weights, f32, by name. */
  readTrained(): Map<string, Float32Array> {
    return new Map(this.trained.map(({ name }) => [name, this.#read(name)]));
  }

  /** Everything that an exact resume needs: trained weights and moments by the optimizer's names. */
  *snapshot(): Generator<{ name: string; shape: readonly number[]; values: () => Float32Array }> {
    for (const { name, shape } of this.trained) {
      for (const key of [name, FIRST_MOMENT + name, SECOND_MOMENT + name]) {
        yield { name: key, shape, values: () => this.#read(key) };
      }
    }
  }

  /** Puts back what `snapshot` gave, read by name. */
  restore(stepsDone: number, read: (name: string) => Float32Array): void {
    for (const weight of this.trained) {
      for (const key of [weight.name, FIRST_MOMENT + weight.name, SECOND_MOMENT + weight.name]) {
        this.#put(key, weight, read(key));
      }
    }
    this.#stepsDone = stepsDone;
  }

  dispose(): void {
    disposeAll(this.#state);
    disposeAll(this.#frozen);
    this.#programs.dispose();
    this.#optimizer.dispose();
  }

  #gradients(micro: MicroBatch, index: number, sofar: Tensors | undefined): Tensors {
    const { lora, accumulation, seed, objective, spec, engine } = this.#options;
    const feeds = this.#feeds(micro);
    const alpha = objective?.neftuneAlpha ?? 0;
    if (alpha > 0) {
      const bound = alpha / Math.sqrt(micro.longest * spec.hiddenSize);
      feeds['noise_bound'] = engine.tensor(Float32Array.of(bound), [], 'f32');
    }
    if (alpha > 0 || (lora?.dropout ?? 0) > 0) {
      const draw = Int32Array.of(seed, (this.#stepsDone * accumulation + index) * 4096);
      feeds['dropout_seed'] = engine.tensor(draw, [2], 'i32');
    }
    if (accumulation > 1) {
      for (const weight of this.trained) {
        const sum = sofar?.[GRADIENT + weight.name];
        feeds[ACCUMULATED + weight.name] = sum ?? this.#zeros(weight);
      }
    }
    const results = this.#programs.get(micro.shape, 'gradients').run({ ...feeds, ...this.#weights() });
    for (const [name, tensor] of Object.entries(feeds)) {
      // The sums of earlier micro-batches belong to the caller.
      if (sofar === undefined || !name.startsWith(ACCUMULATED)) tensor.dispose();
    }
    return results;
  }

  #feeds(micro: MicroBatch): Tensors {
    const { engine } = this.#options;
    const { batch, length, targets } = micro.shape;
    return {
      input_ids: engine.tensor(micro.inputIds, [batch * length], 'i32'),
      document_starts: engine.tensor(micro.documentStarts, [batch, length], 'i32'),
      target_positions: engine.tensor(micro.targetPositions, [targets], 'i32'),
      target_ids: engine.tensor(micro.targetIds, [targets], 'i32'),
      target_weights: engine.tensor(micro.targetWeights, [targets], 'f32'),
    };
  }

  #weights(): Tensors {
    return { ...this.#frozen, ...Object.fromEntries(this.trained.map(({ name }) => [name, this.#state[name]!])) };
  }

  #scalars(values: Record<string, number>): Tensors {
    const { engine } = this.#options;
    return Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, engine.tensor(Float32Array.of(value), [], 'f32')]),
    );
  }

  /** Reads a scalar output and frees it. */
  #take(results: Tensors, name: string): number {
    const tensor = results[name]!;
    delete results[name];
    const value = this.#options.engine.read(tensor)[0]!;
    tensor.dispose();
    return value;
  }

  #read(name: string): Float32Array {
    return this.#options.engine.read(this.#state[name]!) as Float32Array;
  }

  #zeros({ shape }: TrainedWeight): TfTensor {
    return this.#options.engine.tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape, 'f32');
  }

  #put(key: string, { name, shape }: TrainedWeight, values: Float32Array | undefined): void {
    const size = shape.reduce((a, b) => a * b, 1);
    if (values && values.length !== size)
      throw new LlmkitError('bug', `${name} has ${values.length} values, not ${size}`);
    const memory = alignedBuffer(size * 4);
    const own = new Float32Array(memory.buffer, memory.byteOffset, size);
    if (values) own.set(values);
    this.#state[key]?.dispose();
    this.#state[key] = this.#options.engine.tensor(own, shape, 'f32');
  }
}

function disposeAll(tensors: Tensors | undefined): void {
  for (const tensor of Object.values(tensors ?? {})) tensor.dispose();
}
