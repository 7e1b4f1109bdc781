import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { LlmkitError } from '../core/errors.ts';
import type { Json } from '../core/events.ts';
import { bf16ToF32, f16ToF32 } from '../core/half.ts';
import { withAtomicDir, writeFileAtomic } from '../io/atomic.ts';
import { checkReplaceable } from '../io/replaceable.ts';
import { openSafetensors, type SafetensorsDType, type TensorToWrite, writeSafetensors } from '../io/safetensors.ts';
import { type Adapter, readAdapter } from '../model/adapter.ts';
import { type Checkpoint, openCheckpoint } from '../model/checkpoint.ts';
import type { CheckpointDtype } from '../model/config.ts';
import { GENERATION_CONFIG } from '../model/generation-config.ts';
import { readJsonObject } from '../io/json-file.ts';
import { INDEX, SINGLE, weightFiles } from '../io/weights.ts';
import { loraScale } from '../model/lora.ts';
import { type LinearModule, linearModules } from '../model/tensors.ts';
import { encodeF32, STORED_DTYPE } from '../model/write-checkpoint.ts';
import { TOKENIZER_FILES } from '../tokenizer/index.ts';
import { mergeLinear } from './merge-linear.ts';

export interface MergeOptions {
  /** Folders: the base checkpoint, the PEFT adapter, and where the merged checkpoint goes. */
  base: string;
  adapter: string;
  out: string;
  /** Folder of the tokenizer files to copy; the base by default. */
  tokenizer?: string;
  /** Stored dtype of all tensors; by default every tensor keeps the one it has in the base. */
  dtype?: CheckpointDtype;
  signal?: AbortSignal;
  onTensor?: (done: number, total: number) => void;
  /**
   * Compares the merged checkpoint with base and adapter, before it takes its final place; throws when they differ too
   * much. What it returns goes into the report.
   */
  verify?: (folders: { base: string; adapter: string; merged: string }) => Promise<{ [key: string]: Json }>;
  /** The last to write into the folder (the manifest), before it takes its final place. */
  finish?: (merged: string, report: MergeReport) => Promise<void>;
}

export interface MergeReport {
  /** Linear layers that the adapter changed. */
  mergedModules: number;
  tensors: number;
  scale: number;
  /**
   * How much of the adapter the stored dtype loses: norm of the rounding error over norm of what was added, over all
   * merged weights. 0 for a base in f32.
   */
  roundingOverUpdate: number;
  verification: { [key: string]: Json } | undefined;
}

/**
 * Merges a LoRA adapter into its base: W + scale * B A in fp32, stored in the base's dtype and shards. All other
 * tensors keep their bytes; config, generation config and tokenizer come along. One tensor is in memory at a time, and
 * the folder appears whole or not at all.
 *
 * @throws LlmkitError for a base or adapter that does not fit (`data`, `io`), an output that is an input (`usage`), or
 *   whatever `verify` throws
 */
export async function mergeAdapter(options: MergeOptions): Promise<MergeReport> {
  checkReplaceable(options.out, [options.base, options.adapter]);
  const checkpoint = openCheckpoint(options.base);
  try {
    const adapter = readAdapter(options.adapter, checkpoint.spec);
    return await withAtomicDir(options.out, async (dir) => {
      const writer = new Merger(checkpoint, adapter, options);
      for (const file of weightFiles(options.base)) {
        writer.writeFile(join(options.base, file), join(dir, file));
        await setImmediate();
      }
      copyConfigs(options, dir);
      const { base, adapter: adapterDir } = options;
      const verification = await options.verify?.({ base, adapter: adapterDir, merged: dir });
      const report = { ...writer.report(), verification };
      await options.finish?.(dir, report);
      return report;
    });
  } finally {
    checkpoint.close();
  }
}

class Merger {
  readonly #checkpoint: Checkpoint;
  readonly #adapter: Adapter;
  readonly #options: MergeOptions;
  readonly #targets: Map<string, LinearModule>;
  readonly #scale: number;
  #done = 0;
  #updateSquared = 0;
  #errorSquared = 0;

  constructor(checkpoint: Checkpoint, adapter: Adapter, options: MergeOptions) {
    this.#checkpoint = checkpoint;
    this.#adapter = adapter;
    this.#options = options;
    this.#scale = loraScale(adapter.lora);
    const adapted = linearModules(checkpoint.spec).filter(({ module }) => adapter.factors.has(module));
    this.#targets = new Map(adapted.map((module) => [`${module.module}.weight`, module]));
  }

  /** One file of the base, tensor by tensor. */
  writeFile(from: string, to: string): void {
    const source = openSafetensors(from);
    try {
      const tensors = [...source.tensors].map(([name, { dtype, shape }]): TensorToWrite => {
        const stored = this.#options.dtype === undefined ? dtype : STORED_DTYPE[this.#options.dtype];
        const data = () => this.#tensor(name, stored);
        return { name, dtype: stored, shape, data };
      });
      writeSafetensors(to, tensors, source.metadata);
    } finally {
      source.close();
    }
  }

  report(): Omit<MergeReport, 'verification'> {
    return {
      mergedModules: this.#targets.size,
      tensors: this.#done,
      scale: this.#scale,
      roundingOverUpdate: this.#updateSquared === 0 ? 0 : Math.sqrt(this.#errorSquared / this.#updateSquared),
    };
  }

  #tensor(name: string, stored: SafetensorsDType): Uint8Array {
    const { signal, onTensor } = this.#options;
    if (signal?.aborted === true) {
      throw new LlmkitError('interrupted', 'merging was interrupted; nothing was written', {
        where: this.#options.out,
      });
    }
    const { weights } = this.#checkpoint;
    this.#done += 1;
    onTensor?.(this.#done, weights.tensors.size);
    const target = this.#targets.get(name);
    if (target === undefined) {
      return weights.tensors.get(name)!.dtype === stored
        ? weights.read(name)
        : encodeF32(weights.readF32(name), stored);
    }
    const values = weights.readF32(name);
    this.#updateSquared += mergeLinear(values, target, this.#adapter.factors.get(target.module)!, this.#scale);
    const bytes = encodeF32(values, stored);
    this.#errorSquared += squaredDistance(values, bytes, stored);
    return bytes;
  }
}

function squaredDistance(values: Float32Array, bytes: Uint8Array, dtype: SafetensorsDType): number {
  if (dtype !== 'BF16' && dtype !== 'F16') return 0;
  const bits = new Uint16Array(bytes.buffer, bytes.byteOffset, values.length);
  const rounded = dtype === 'BF16' ? bf16ToF32(bits) : f16ToF32(bits);
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i]! - rounded[i]!) ** 2;
  return sum;
}

function copyConfigs(options: MergeOptions, dir: string): void {
  const { base, tokenizer = base, dtype } = options;
  // Contents only: copying a read-only file would make one.
  const copy = (from: string, name: string) => {
    if (existsSync(join(from, name))) writeFileAtomic(join(dir, name), readFileSync(join(from, name)));
  };
  // The adapter's own, where training wrote one, names the stop tokens that it taught.
  const { adapter } = options;
  copy(existsSync(join(adapter, GENERATION_CONFIG)) ? adapter : base, GENERATION_CONFIG);
  for (const name of TOKENIZER_FILES) copy(tokenizer, name);
  const sharded = !existsSync(join(base, SINGLE));
  if (dtype === undefined) {
    copy(base, 'config.json');
    if (sharded) copy(base, INDEX);
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
