import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { LlmkitError } from '../core/errors.ts';
import { bf16ToF32, f16ToF32 } from '../core/half.ts';
import { writeFileAtomic } from '../io/atomic.ts';
import { readJsonObject } from '../io/json-file.ts';
import { openSafetensors, type SafetensorsDType, type TensorToWrite, writeSafetensors } from '../io/safetensors.ts';
import { INDEX, SINGLE, weightFiles } from '../io/weights.ts';
import { openedName } from '../model/base-prefix.ts';
import { FLOATS } from '../model/check-weights.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import type { CheckpointDtype } from '../model/config.ts';
import { encodeF32, STORED_DTYPE } from '../model/write-checkpoint.ts';

export interface DeriveOptions {
  /** Folder of the checkpoint that is derived from, and the same opened. */
  base: string;
  checkpoint: Checkpoint;
  /** Stored dtype of all tensors; by default every tensor keeps the one it has in the base. */
  dtype?: CheckpointDtype | undefined;
  /** New values of a tensor, f32 as stored; undefined where it stays as it is. */
  changed: (name: string) => Float32Array | undefined;
  signal?: AbortSignal | undefined;
  onTensor?: ((done: number, total: number) => void) | undefined;
}

export interface DeriveReport {
  tensors: number;
  /** Squared distance between the changed values and what is stored of them. */
  roundingSquared: number;
}

/**
 * Writes a checkpoint that differs from another in some tensors, with its config.json, in its shards. All other tensors
 * keep their bytes, unless another dtype is asked for. One tensor is in memory at a time; wrap in `withAtomicDir`.
 *
 * @throws LlmkitError('interrupted') after an abort
 */
export async function deriveCheckpoint(dir: string, options: DeriveOptions): Promise<DeriveReport> {
  const report: DeriveReport = { tensors: 0, roundingSquared: 0 };
  for (const file of weightFiles(options.base)) {
    writeFile(join(options.base, file), join(dir, file), options, report);
    await setImmediate();
  }
  copyConfig(dir, options);
  return report;
}

function writeFile(from: string, to: string, options: DeriveOptions, report: DeriveReport): void {
  const source = openSafetensors(from);
  try {
    const tensors = [...source.tensors].map(([name, { dtype, shape }]): TensorToWrite => {
      // Old masks are integers, whatever the weights are.
      const stored = options.dtype === undefined || !FLOATS.includes(dtype) ? dtype : STORED_DTYPE[options.dtype];
      const opened = openedName(options.checkpoint.weights, options.checkpoint.spec, name);
      return { name, dtype: stored, shape, data: () => tensor(opened, stored, options, report) };
    });
    writeSafetensors(to, tensors, source.metadata);
  } finally {
    source.close();
  }
}

function tensor(name: string, stored: SafetensorsDType, options: DeriveOptions, report: DeriveReport): Uint8Array {
  const { checkpoint, signal, onTensor } = options;
  if (signal?.aborted === true) throw new LlmkitError('interrupted', 'writing was interrupted; nothing was written');
  const { weights } = checkpoint;
  report.tensors += 1;
  onTensor?.(report.tensors, weights.tensors.size);
  const values = options.changed(untiedName(name, checkpoint));
  if (values === undefined) {
    return weights.tensors.get(name)!.dtype === stored ? weights.read(name) : encodeF32(weights.readF32(name), stored);
  }
  const bytes = encodeF32(values, stored);
  report.roundingSquared += squaredDistance(values, bytes, stored);
  return bytes;
}

/** A tied head that a checkpoint holds once more is the embedding. */
function untiedName(name: string, { spec }: Checkpoint): string {
  return spec.tiedHead && name === `${spec.names.headModule}.weight` ? `${spec.names.embedding}.weight` : name;
}

function squaredDistance(values: Float32Array, bytes: Uint8Array, dtype: SafetensorsDType): number {
  if (dtype !== 'BF16' && dtype !== 'F16') return 0;
  const bits = new Uint16Array(bytes.buffer, bytes.byteOffset, values.length);
  const rounded = dtype === 'BF16' ? bf16ToF32(bits) : f16ToF32(bits);
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i]! - rounded[i]!) ** 2;
  return sum;
}

function copyConfig(dir: string, { base, dtype }: DeriveOptions): void {
  const sharded = !existsSync(join(base, SINGLE));
  // Contents only: copying a read-only file would make one.
  if (dtype === undefined) {
    for (const name of ['config.json', ...(sharded ? [INDEX] : [])])
      writeFileAtomic(join(dir, name), readFileSync(join(base, name)));
    return;
  }
  const { torch_dtype: old, ...config } = readJsonObject(join(base, 'config.json'));
  const spelling = old === undefined ? { dtype } : { dtype, torch_dtype: dtype };
  writeJson(join(dir, 'config.json'), { ...config, ...spelling });
  // The total size in the index is of the base's dtype; readers do without it.
  if (sharded)
    writeJson(join(dir, INDEX), { metadata: {}, weight_map: readJsonObject(join(base, INDEX))['weight_map'] });
}

function writeJson(path: string, value: object): void {
  writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
}
