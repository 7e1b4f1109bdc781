import { availableMemory } from '../core/memory.ts';
import type { DecoderSpec } from '../model/spec.ts';
import { bucket } from './batches.ts';

/**
 * Bytes of activations that the backward pass of one micro-batch reads: per block the residual stream, the normed inputs,
 * q, k, v, the attention probabilities and the MLP's inner values, all f32.
 */
export function activationBytes(spec: DecoderSpec, rows: number, maxLength: number): number {
  const { hiddenSize, numLayers, mlp, attention } = spec;
  const length = bucket(maxLength);
  const heads = attention.heads * attention.headDim;
  const keys = attention.kvHeads * attention.headDim;
  const perToken = 5 * hiddenSize + 4 * heads + 3 * keys + 5 * mlp.intermediateSize;
  const probabilities = (attention.heads * length) / 2;
  return rows * length * (perToken + probabilities) * 4 * numLayers;
}

/** `layer` where keeping every activation would take more than half of the memory at hand. */
export function chooseMemory(
  setting: 'auto' | 'none' | 'layer',
  spec: DecoderSpec,
  rows: number,
  maxLength: number,
  availableBytes: number = availableMemory(),
): 'none' | 'layer' {
  if (setting !== 'auto') return setting;
  return activationBytes(spec, rows, maxLength) > availableBytes / 2 ? 'layer' : 'none';
}
