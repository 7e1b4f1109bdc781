import { LlmkitError } from '../core/errors.ts';
import { Random } from '../core/random.ts';
import { alignedBuffer } from '../io/atomic.ts';
import type { TensorInfo, WeightSource } from '../io/safetensors.ts';
import type { DecoderSpec } from './spec.ts';
import { expectedTensors, type ExpectedTensor } from './tensors.ts';

export interface InitOptions {
  /** Standard deviation of matrices and embeddings; `initializer_range` of transformers. */
  initializerRange?: number;
  /** Divide that of o_proj and down_proj by sqrt(2 * layers), as GPT-2 does (Radford et al. 2019). Llama does not. */
  scaleResiduals?: boolean;
}

/**
 * Fresh weights as transformers initialises Llama: matrices and embeddings normal(0, initializer_range), norms one,
 * biases zero. Each tensor draws from a stream of its own, forked by its name: the same seed gives the same bytes in
 * whatever order they are asked for, and nothing is held.
 */
export function initWeights(spec: DecoderSpec, seed: number, options: InitOptions = {}): WeightSource {
  const { initializerRange = 0.02, scaleResiduals = false } = options;
  const expected = new Map(expectedTensors(spec).map((tensor) => [tensor.name, tensor]));
  const root = new Random(seed);

  function readF32(name: string): Float32Array {
    const tensor = expected.get(name);
    if (tensor === undefined) throw new LlmkitError('bug', `${spec.modelType} has no tensor ${name}`);
    const length = elements(tensor);
    const bytes = alignedBuffer(length * 4);
    const values = new Float32Array(bytes.buffer, bytes.byteOffset, length);
    if (tensor.kind === 'norm') return values.fill(1);
    if (tensor.kind === 'bias') return values;
    const std = initializerRange / (scaleResiduals && tensor.residual ? Math.sqrt(2 * spec.numLayers) : 1);
    const random = root.fork(name);
    for (let i = 0; i < length; i++) values[i] = std * random.normal();
    return values;
  }

  const tensors = new Map<string, TensorInfo>();
  for (const tensor of expected.values()) {
    tensors.set(tensor.name, { dtype: 'F32', shape: tensor.shape, byteLength: elements(tensor) * 4 });
  }
  return {
    tensors,
    metadata: {},
    readF32,
    read: (name) => {
      const values = readF32(name);
      return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    },
    close: () => {},
  };
}

function elements({ shape }: ExpectedTensor): number {
  return shape.reduce((product, size) => product * size, 1);
}
