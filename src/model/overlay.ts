import type { TensorInfo, WeightSource } from '../io/safetensors.ts';
import { Checkpoint } from './checkpoint.ts';

/**
 * A checkpoint with some of its tensors replaced, as an adapter replaces biases and `modules_to_save`. Closing either
 * closes both.
 *
 * @param replaced f32 values by checkpoint name, of the shapes that are there
 */
export function overlay(
  checkpoint: Checkpoint,
  replaced: ReadonlyMap<string, Float32Array>,
  where: string,
): Checkpoint {
  if (replaced.size === 0) return checkpoint;
  const { spec, weights } = checkpoint;
  const tensors = new Map<string, TensorInfo>(weights.tensors);
  // A tied head that the checkpoint holds once more would contradict the embedding.
  if (spec.tiedHead) tensors.delete(`${spec.names.headModule}.weight`);
  for (const [name, values] of replaced) {
    tensors.set(name, { dtype: 'F32', shape: tensors.get(name)!.shape, byteLength: values.byteLength });
  }
  const readF32 = (name: string): Float32Array => replaced.get(name)?.slice() ?? weights.readF32(name);
  const source: WeightSource = {
    tensors,
    metadata: weights.metadata,
    readF32,
    read(name) {
      if (!replaced.has(name)) return weights.read(name);
      const { buffer, byteOffset, byteLength } = readF32(name);
      return new Uint8Array(buffer, byteOffset, byteLength);
    },
    close: () => weights.close(),
  };
  return new Checkpoint(spec, source, where, checkpoint.notes);
}
