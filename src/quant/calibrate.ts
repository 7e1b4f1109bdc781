import { LlmkitError } from '../core/errors.ts';
import { documentStarts } from '../decoder/packed-attention.ts';
import type { TfEngine, TfProgram, TfTensor } from '../engine/tf/index.ts';
import { checkpoint } from '../infer/yield.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import type { DecoderSpec, LinearRole } from '../model/spec.ts';
import { linearShape, matrixName, moduleShape } from '../model/tensors.ts';
import { bucket } from '../train/batches.ts';
import { buildBlockGraph, inputGroups } from './block-graph.ts';

/** A row of prepared/: tokens, and the lengths of the documents in it. */
export interface CalibrationRow {
  inputIds: ArrayLike<number>;
  seqLengths: ArrayLike<number>;
}

interface Sample {
  length: number;
  band: number;
  starts: TfTensor;
  mask: TfTensor;
  /** What the current block reads, f32 [length, hidden]. */
  hidden: TfTensor;
}

export interface CalibrationOptions {
  engine: TfEngine;
  checkpoint: Checkpoint;
  rows: readonly CalibrationRow[];
  /** Rows are cut to so many tokens. */
  maxLength: number;
  /** The embedding as the quantized model will have it, f32 [vocab, hidden]. Used at once and not kept. */
  embedding: Float32Array;
  signal?: AbortSignal | undefined;
}

/**
 * Runs calibration rows through the decoder one block at a time. Memory holds one block's weights and, for every sample,
 * the input of that block: it does not grow with the number of layers.
 *
 * For each layer: `begin`, then for each group of linear layers `hessian` and `replace`, then `advance`.
 */
export class Calibration {
  /** Tokens of all samples, padding left out. */
  readonly tokens: number;
  readonly #engine: TfEngine;
  readonly #checkpoint: Checkpoint;
  readonly #spec: DecoderSpec;
  readonly #signal: AbortSignal | undefined;
  readonly #samples: Sample[] = [];
  readonly #programs = new Map<string, TfProgram>();
  #weights = new Map<string, TfTensor>();

  constructor(options: CalibrationOptions) {
    const { engine, rows, maxLength, embedding } = options;
    this.#engine = engine;
    this.#checkpoint = options.checkpoint;
    this.#spec = options.checkpoint.spec;
    this.#signal = options.signal;
    if (this.#spec.position.kind !== 'rotary') {
      throw new LlmkitError(
        'config',
        `GPTQ has no calibration for ${this.#spec.modelType}, which learns its positions`,
        {
          where: 'quantize.method',
          hint: 'quantize with method rtn',
        },
      );
    }
    try {
      this.tokens = this.#addSamples(rows, maxLength, embedding);
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** Loads the weights of a block in place of those of the block before. */
  begin(layer: number): void {
    this.#freeWeights();
    const here = this.#spec.names.layer(layer);
    const named = this.#spec.names.layer(0);
    const norms: [string | undefined, string | undefined][] = [
      [named.attentionNorm, here.attentionNorm],
      [named.mlpNorm, here.mlpNorm],
      [named.qNorm, here.qNorm],
      [named.kNorm, here.kNorm],
    ];
    for (const [name, source] of norms) {
      if (name === undefined || source === undefined) continue;
      const { weight, bias } = this.#checkpoint.norm(source);
      this.#put(`${name}.weight`, weight, [weight.length]);
      if (bias !== undefined) this.#put(`${name}.bias`, bias, [bias.length]);
    }
    for (const role of inputGroups(this.#spec).flat()) {
      const { weight, bias } = this.#checkpoint.module(layer, role);
      this.replace(role, weight);
      if (bias !== undefined) this.#put(`${matrixName(this.#spec, 0, role).module}.bias`, bias, [bias.length]);
    }
  }

  /** Puts other values in the place of a linear layer's weight, the whole matrix that the role lies in. The array is given away. */
  replace(role: LinearRole, weight: Float32Array): void {
    this.#put(`${matrixName(this.#spec, 0, role).module}.weight`, weight, moduleShape(this.#spec, 0, role));
  }

  /**
   * (2 / tokens) sum x x^T over the inputs x of a linear layer, with the block's weights as they are now: float64 [K, K].
   * Summed in float32, as the reference does.
   */
  async hessian(role: LinearRole): Promise<Float64Array> {
    const features = linearShape(this.#spec, role)[1];
    let sum = this.#engine.tensor(new Float32Array(features * features), [features, features], 'f32');
    for (const sample of this.#samples) {
      await checkpoint(this.#signal);
      const program = this.#program(sample, role);
      const { hessian } = program.run({ ...this.#feeds(program, sample), mask: sample.mask, accumulated: sum });
      sum.dispose();
      sum = hessian!;
    }
    const values = Float64Array.from(this.#engine.read(sum) as Float32Array, (value) => (2 / this.tokens) * value);
    sum.dispose();
    return values;
  }

  /** Runs the block with its weights as they are now: its outputs become what the next block reads. */
  async advance(): Promise<void> {
    for (const sample of this.#samples) {
      await checkpoint(this.#signal);
      const program = this.#program(sample, 'advance');
      const { hidden } = program.run(this.#feeds(program, sample));
      sample.hidden.dispose();
      sample.hidden = hidden!;
    }
  }

  /** Frees everything the engine holds for this. */
  dispose(): void {
    this.#freeWeights();
    for (const { starts, mask, hidden } of this.#samples) for (const tensor of [starts, mask, hidden]) tensor.dispose();
    for (const program of this.#programs.values()) program.dispose();
    this.#samples.length = 0;
    this.#programs.clear();
  }

  #addSamples(rows: readonly CalibrationRow[], maxLength: number, embedding: Float32Array): number {
    let tokens = 0;
    for (const row of rows) {
      const used = Math.min(row.inputIds.length, maxLength);
      if (used === 0) continue;
      tokens += used;
      this.#samples.push(this.#sample(row, used, embedding));
    }
    if (tokens > 0) return tokens;
    throw new LlmkitError('data', 'there are no calibration tokens', {
      where: 'quantize.calibration',
      hint: 'prepare data first, or choose the split that has rows',
    });
  }

  #sample({ inputIds, seqLengths }: CalibrationRow, used: number, embedding: Float32Array): Sample {
    const { hiddenSize } = this.#spec;
    const length = bucket(used);
    const hidden = new Float32Array(length * hiddenSize);
    for (let t = 0; t < used; t++) {
      const id = inputIds[t]!;
      if (!(id >= 0 && id < this.#spec.vocabSize)) {
        throw new LlmkitError('data', `token id ${id} of the calibration data is outside the vocabulary`, {
          expected: `0 to ${this.#spec.vocabSize - 1}`,
          hint: "prepare the data with this model's tokenizer",
        });
      }
      hidden.set(embedding.subarray(id * hiddenSize, (id + 1) * hiddenSize), t * hiddenSize);
    }
    // Documents end where the row was cut.
    const kept: number[] = [];
    let start = 0;
    for (let i = 0; i < seqLengths.length && start < used; i++) {
      kept.push(Math.min(seqLengths[i]!, used - start));
      start += seqLengths[i]!;
    }
    const starts = new Int32Array(length);
    documentStarts(kept, starts);
    const mask = new Float32Array(length).fill(1, 0, used);
    return {
      length,
      band: Math.min(length, 2 ** Math.ceil(Math.log2(Math.max(1, ...kept)))),
      starts: this.#engine.tensor(starts, [1, length], 'i32'),
      mask: this.#engine.tensor(mask, [length, 1], 'f32'),
      hidden: this.#engine.tensor(hidden, [length, hiddenSize], 'f32'),
    };
  }

  #feeds(program: TfProgram, { hidden, starts }: Sample): Record<string, TfTensor> {
    const feeds: Record<string, TfTensor> = {};
    for (const name of program.inputs) {
      if (name === 'hidden') feeds[name] = hidden;
      else if (name === 'document_starts') feeds[name] = starts;
      else if (name !== 'mask' && name !== 'accumulated') feeds[name] = this.#weights.get(name)!;
    }
    return feeds;
  }

  #program({ length, band }: Sample, produce: 'advance' | LinearRole): TfProgram {
    const key = `${length}/${band}/${produce}`;
    let program = this.#programs.get(key);
    if (program === undefined) {
      program = this.#engine.load(buildBlockGraph(this.#spec, { length, band }, produce, this.#engine.kind));
      this.#programs.set(key, program);
    }
    return program;
  }

  #put(name: string, data: Float32Array, shape: readonly number[]): void {
    this.#weights.get(name)?.dispose();
    this.#weights.set(name, this.#engine.tensor(data, shape, 'f32'));
  }

  #freeWeights(): void {
    for (const tensor of this.#weights.values()) tensor.dispose();
    this.#weights = new Map();
  }
}
