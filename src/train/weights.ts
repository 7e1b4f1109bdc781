import { Random } from '../core/random.ts';
import type { DecoderGraph } from '../decoder/training.ts';
import type { TfEngine, TfTensor } from '../engine/tf/index.ts';
import { f32ToBf16 } from '../core/half.ts';
import { LlmkitError } from '../core/errors.ts';
import { alignedBuffer } from '../io/atomic.ts';
import type { WeightSource } from '../io/safetensors.ts';

type WeightInfo = DecoderGraph['weights'][number];

/** Frozen weights as tensors, each read from the checkpoint straight into memory that the engine uses without a copy. */
export function loadFrozen(
  engine: TfEngine,
  weights: readonly WeightInfo[],
  source: WeightSource,
): Record<string, TfTensor> {
  const tensors: Record<string, TfTensor> = {};
  for (const { name, shape, dtype, trained } of weights) {
    if (trained) continue;
    const data = dtype === 'f32' ? source.readF32(name) : readBits(name, source);
    tensors[name] = engine.tensor(data, shape, dtype);
  }
  return tensors;
}

/** A weight as the bits of bf16: those of the file where it stores bf16, else rounded to nearest even. */
function readBits(name: string, source: WeightSource): Uint16Array {
  if (source.tensors.get(name)?.dtype === 'BF16') {
    const { buffer, byteOffset, byteLength } = source.read(name);
    return new Uint16Array(buffer, byteOffset, byteLength / 2);
  }
  const values = source.readF32(name);
  const { buffer, byteOffset } = alignedBuffer(values.length * 2);
  return f32ToBf16(values, new Uint16Array(buffer, byteOffset, values.length));
}

/**
 * First values of LoRA factors as PEFT draws them: A uniform in +-1/sqrt(in) (Kaiming with a = sqrt(5)), B zero, so that the
 * adapted model starts as the base. Each factor has a stream of its own, by name.
 */
export function initLora(weights: readonly WeightInfo[], seed: number): Map<string, Float32Array> {
  const values = new Map<string, Float32Array>();
  const random = new Random(seed);
  for (const { name, shape, trained } of weights) {
    if (!trained) continue;
    const [rows, columns] = shape as [number, number];
    const factor = new Float32Array(rows * columns);
    if (name.endsWith('.lora_A.weight')) {
      const stream = random.fork(name);
      const bound = 1 / Math.sqrt(columns);
      for (let i = 0; i < factor.length; i++) factor[i] = (2 * stream.float() - 1) * bound;
    } else if (!name.endsWith('.lora_B.weight')) {
      throw new LlmkitError('bug', `${name} is trained but is no LoRA factor`);
    }
    values.set(name, factor);
  }
  return values;
}
