import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { LlmkitError } from '../core/errors.ts';
import { f32ToBf16, f32ToF16 } from '../core/half.ts';
import { writeFileAtomic } from '../io/atomic.ts';
import { type SafetensorsDType, writeSafetensors } from '../io/safetensors.ts';
import { type CheckpointDtype, specToConfig } from './config.ts';
import { writeGenerationConfig } from './generation-config.ts';
import type { DecoderSpec } from './spec.ts';
import { expectedTensors } from './tensors.ts';

/** How safetensors calls them. */
export const STORED_DTYPE: Record<CheckpointDtype, SafetensorsDType> = {
  float32: 'F32',
  bfloat16: 'BF16',
  float16: 'F16',
};

/** f32 values as the little-endian bytes of another dtype, rounded to nearest even. */
export function encodeF32(values: Float32Array, dtype: SafetensorsDType): Uint8Array {
  const array = encoded(values, dtype);
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function encoded(values: Float32Array, dtype: SafetensorsDType): ArrayBufferView {
  if (dtype === 'F32') return values;
  if (dtype === 'BF16') return f32ToBf16(values);
  if (dtype === 'F16') return f32ToF16(values);
  if (dtype === 'F64') return Float64Array.from(values);
  throw new LlmkitError('bug', `float32 values cannot be stored as ${dtype}`);
}

/**
 * Writes a checkpoint that transformers opens: config.json, generation_config.json, model.safetensors. Tensors are
 * asked for one at a time. Each file is written beside its name and renamed; wrap in `withAtomicDir` for the folder.
 *
 * @param tensors f32 values by checkpoint name: every tensor that `expectedTensors(spec)` lists
 * @throws LlmkitError('bug') when a tensor is missing or of the wrong size
 */
export function writeCheckpoint(
  dir: string,
  spec: DecoderSpec,
  tensors: ReadonlyMap<string, Float32Array> | ((name: string) => Float32Array),
  options: { dtype: CheckpointDtype; initializerRange?: number },
): void {
  mkdirSync(dir, { recursive: true });
  const dtype = STORED_DTYPE[options.dtype];
  const read = typeof tensors === 'function' ? tensors : (name: string) => tensors.get(name);
  writeSafetensors(
    join(dir, 'model.safetensors'),
    expectedTensors(spec).map(({ name, shape }) => ({
      name,
      dtype,
      shape,
      data: () => {
        const values = read(name);
        if (values === undefined) throw new LlmkitError('bug', `no values for ${name}`, { where: dir });
        return encodeF32(values, dtype);
      },
    })),
  );
  writeJson(join(dir, 'config.json'), specToConfig(spec, options));
  writeGenerationConfig(dir, spec);
}

function writeJson(path: string, value: object): void {
  writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
}
