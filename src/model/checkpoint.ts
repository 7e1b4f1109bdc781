import { f32ToBf16 } from '../core/half.ts';
import { alignedBuffer } from '../io/atomic.ts';
import { openWeights, type WeightSource } from '../io/safetensors.ts';
import { withBasePrefix } from './base-prefix.ts';
import { checkWeights } from './check-weights.ts';
import { loadModelConfig } from './config.ts';
import type { DecoderSpec, LinearRole, MatrixName, RowRuns } from './spec.ts';
import { linearHasBias, linearShape, matrixName, moduleShape, storedRow } from './tensors.ts';

/** A linear layer: weight [out, in] row-major and, where the family has one, bias f32 [out]. */
export interface Linear<Weight = Float32Array> {
  weight: Weight;
  bias: Float32Array | undefined;
}

/** A norm's parameters, f32; layer norms have a bias. */
export interface Norm {
  weight: Float32Array;
  bias: Float32Array | undefined;
}

/**
 * Weights by their role in the decoder. Nothing is kept: each call reads from the source into fresh, aligned memory, so the
 * caller holds the only copy. `...Bits` give bf16 as its bits: those of the file when it stores bf16, else rounded to
 * nearest even.
 */
export class Checkpoint {
  readonly spec: DecoderSpec;
  readonly weights: WeightSource;
  /** What the config left to defaults; one line each. */
  readonly notes: readonly string[];

  /** @throws LlmkitError('data') naming every tensor that is missing, misshapen or unexpected; see {@link checkWeights}. */
  constructor(spec: DecoderSpec, weights: WeightSource, where: string, notes: readonly string[] = []) {
    checkWeights(spec, weights, where);
    this.spec = spec;
    this.weights = weights;
    this.notes = notes;
  }

  /** f32 [V, H]. */
  embedding(): Float32Array {
    return this.weights.readF32(`${this.spec.names.embedding}.weight`);
  }

  /** bf16 bits [V, H]. */
  embeddingBits(): Uint16Array {
    return this.#bits(`${this.spec.names.embedding}.weight`);
  }

  /** Learned positions, f32 [P, H], in families that have them. */
  positionEmbedding(): Float32Array | undefined {
    const name = this.spec.names.positionEmbedding;
    return name === undefined ? undefined : this.weights.readF32(`${name}.weight`);
  }

  /** f32 [V, H]; undefined when the head is tied: it is the embedding then. */
  head(): Float32Array | undefined {
    const name = this.spec.names.head;
    return name === undefined ? undefined : this.weights.readF32(`${name}.weight`);
  }

  /** bf16 bits [V, H]; undefined when the head is tied. */
  headBits(): Uint16Array | undefined {
    const name = this.spec.names.head;
    return name === undefined ? undefined : this.#bits(`${name}.weight`);
  }

  linear(layer: number, role: LinearRole): Linear {
    const name = matrixName(this.spec, layer, role);
    const whole = this.weights.readF32(`${name.module}.weight`);
    return { weight: this.#part(whole, name, role), bias: this.#bias(name, role) };
  }

  /** The whole matrix that a role lies in, [out, in], with its bias: where several are fused, all of them. */
  module(layer: number, role: LinearRole): Linear {
    const { module, transposed = false } = matrixName(this.spec, layer, role);
    const stored = this.weights.readF32(`${module}.weight`);
    const [out, inner] = moduleShape(this.spec, layer, role);
    const weight = transposed ? takeRows(stored, { rows: undefined, transposed, out, inner }) : stored;
    return { weight, bias: this.#bias({ module }, role) };
  }

  /** The weight as bf16 bits; the bias stays f32. */
  linearBits(layer: number, role: LinearRole): Linear<Uint16Array> {
    const name = matrixName(this.spec, layer, role);
    return { weight: this.#part(this.#bits(`${name.module}.weight`), name, role), bias: this.#bias(name, role) };
  }

  /** @param module a norm's name in `spec.names`, e.g. `spec.names.layer(0).attentionNorm`. */
  norm(module: string): Norm {
    const hasBias = this.weights.tensors.has(`${module}.bias`);
    return {
      weight: this.weights.readF32(`${module}.weight`),
      bias: hasBias ? this.weights.readF32(`${module}.bias`) : undefined,
    };
  }

  /** Releases the files. Tensors that were read stay. */
  close(): void {
    this.weights.close();
  }

  #bias({ module, rows }: MatrixName, role: LinearRole): Float32Array | undefined {
    if (!linearHasBias(this.spec, role)) return undefined;
    const bias = this.weights.readF32(`${module}.bias`);
    if (rows === undefined) return bias;
    const [out] = linearShape(this.spec, role);
    return takeRows(bias, { rows, transposed: false, out, inner: 1 });
  }

  #bits(name: string): Uint16Array {
    const { dtype } = this.weights.tensors.get(name)!;
    if (dtype === 'BF16') {
      const bytes = this.weights.read(name);
      return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
    }
    const values = this.weights.readF32(name);
    return f32ToBf16(values, alignedArray(values.length, Uint16Array));
  }

  /** The rows of one role out of what is stored, as [out, in]. The stored array itself when it is just that. */
  #part<T extends Float32Array | Uint16Array>(stored: T, name: MatrixName, role: LinearRole): T {
    const { rows, transposed = false } = name;
    if (rows === undefined && !transposed) return stored;
    const [out, inner] = linearShape(this.spec, role);
    return takeRows(stored, { rows, transposed, out, inner });
  }
}

/** Rows of a stored matrix as [out, inner]; `transposed` when it is stored [in, all rows]. */
function takeRows<T extends Float32Array | Uint16Array>(
  stored: T,
  { rows, transposed, out, inner }: { rows: RowRuns | undefined; transposed: boolean; out: number; inner: number },
): T {
  const part = alignedArray(out * inner, stored.constructor as ArrayKind<T>);
  const storedOut = stored.length / inner;
  for (let row = 0; row < out; row++) {
    const from = storedRow(rows, row);
    if (!transposed) {
      part.set(stored.subarray(from * inner, (from + 1) * inner), row * inner);
      continue;
    }
    for (let column = 0; column < inner; column++) part[row * inner + column] = stored[column * storedOut + from]!;
  }
  return part;
}

interface ArrayKind<T> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): T;
}

function alignedArray<T>(length: number, Kind: ArrayKind<T>): T {
  const bytes = alignedBuffer(length * Kind.BYTES_PER_ELEMENT);
  return new Kind(bytes.buffer, bytes.byteOffset, length);
}

/**
 * Opens a checkpoint folder (config.json and safetensors, one file or shards) and checks that all it needs is there,
 * before anything is computed. Call `close()` when done.
 *
 * @throws LlmkitError('io' | 'data') with the file, the field or the tensor.
 */
export function openCheckpoint(dir: string): Checkpoint {
  const { spec, notes } = loadModelConfig(dir);
  const weights = openWeights(dir);
  try {
    return new Checkpoint(spec, withBasePrefix(weights, spec), dir, notes);
  } catch (error) {
    weights.close();
    throw error;
  }
}
