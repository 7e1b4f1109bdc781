import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { LlmkitError } from '../core/errors.ts';
import { ioError } from './atomic.ts';
import type { TensorInfo } from './safetensors-header.ts';
import { missingTensor, openSafetensors, type SafetensorsFile, type WeightSource } from './safetensors-reader.ts';

export const SINGLE = 'model.safetensors';
export const INDEX = 'model.safetensors.index.json';

/** Names of the safetensors files of a checkpoint folder. */
export function weightFiles(dir: string): string[] {
  if (existsSync(join(dir, SINGLE))) return [SINGLE];
  return [...new Set(readIndex(join(dir, INDEX)).weightMap.values())].sort();
}

/**
 * Opens the weights of a checkpoint folder: `model.safetensors`, or the shards that `model.safetensors.index.json`
 * lists (the single file wins when both are there, as in transformers). A path of a file opens that file.
 *
 * @throws LlmkitError('data') for a missing shard, a tensor the index promises and the shard lacks, or one in two shards.
 */
export function openWeights(dir: string): WeightSource {
  if (existsSync(dir) && statSync(dir).isFile()) return openSafetensors(dir);
  const single = join(dir, SINGLE);
  if (existsSync(single)) return openSafetensors(single);
  const index = join(dir, INDEX);
  if (existsSync(index)) return new ShardedWeights(dir, index);
  const pickled = existsSync(join(dir, 'pytorch_model.bin')) || existsSync(join(dir, 'pytorch_model.bin.index.json'));
  throw new LlmkitError('data', `no weights in ${dir}`, {
    where: dir,
    expected: `${SINGLE} or ${INDEX}`,
    got: existsSync(dir) ? (pickled ? 'pytorch_model.bin' : 'neither') : 'no such folder',
    hint: pickled
      ? 'llmkit does not load pickles: save the model again with save_pretrained(safe_serialization=True)'
      : 'model.name_or_path must be a folder with config.json and safetensors',
  });
}

class ShardedWeights implements WeightSource {
  readonly tensors = new Map<string, TensorInfo>();
  readonly metadata: Record<string, string>;
  readonly #shards = new Map<string, SafetensorsFile>();
  readonly #fileOf: Map<string, string>;
  readonly #index: string;

  constructor(dir: string, index: string) {
    this.#index = index;
    const { weightMap, metadata } = readIndex(index);
    this.metadata = metadata;
    this.#fileOf = weightMap;
    try {
      for (const file of new Set(weightMap.values())) this.#openShard(dir, file);
      this.#checkNames();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  read(name: string): Uint8Array {
    return this.#shardOf(name).read(name);
  }

  readF32(name: string): Float32Array {
    return this.#shardOf(name).readF32(name);
  }

  close(): void {
    for (const shard of this.#shards.values()) shard.close();
  }

  #shardOf(name: string): SafetensorsFile {
    const file = this.#fileOf.get(name);
    if (file === undefined) throw missingTensor(name, this.#index, this.tensors);
    return this.#shards.get(file)!;
  }

  #openShard(dir: string, file: string): void {
    const path = join(dir, file);
    if (!existsSync(path)) {
      throw new LlmkitError('data', `the shard ${file} is missing`, {
        where: this.#index,
        expected: `${new Set(this.#fileOf.values()).size} shards beside the index`,
        hint: `put ${file} into ${dir}, or download the checkpoint again`,
      });
    }
    this.#shards.set(file, openSafetensors(path));
  }

  #checkNames(): void {
    const holder = new Map<string, string>();
    for (const [file, shard] of this.#shards) {
      for (const name of shard.tensors.keys()) {
        const other = holder.get(name);
        if (other !== undefined)
          throw this.#bad(`the tensor ${name} is in two shards`, 'one shard', `${other}, ${file}`);
        holder.set(name, file);
      }
    }
    for (const [name, file] of this.#fileOf) {
      if (!this.#shards.get(file)!.tensors.has(name)) {
        throw this.#bad(`the tensor ${name} is not in the shard the index names`, file, holder.get(name) ?? 'no shard');
      }
    }
    // Tensors a shard holds and the index forgot are there all the same, as for transformers.
    for (const [name, file] of holder) {
      this.#fileOf.set(name, file);
      this.tensors.set(name, this.#shards.get(file)!.tensors.get(name)!);
    }
  }

  #bad(message: string, expected: string, got: string): LlmkitError {
    const hint = 'index and shards come from different saves: download or save the checkpoint again';
    return new LlmkitError('data', message, { where: this.#index, expected, got, hint });
  }
}

function readIndex(index: string): { weightMap: Map<string, string>; metadata: Record<string, string> } {
  let json: { weight_map?: unknown; metadata?: unknown } | null;
  try {
    json = JSON.parse(readFileSync(index, 'utf8')) as typeof json;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw ioError(error, `cannot read ${index}`, index);
    throw new LlmkitError('data', `${index} is not JSON: ${error.message}`, { where: index, cause: error });
  }
  const entries = Object.entries((json?.weight_map ?? {}) as Record<string, unknown>);
  const bad = entries.find(([, file]) => typeof file !== 'string' || /[/\\]/.test(file));
  if (entries.length === 0 || bad !== undefined) {
    throw new LlmkitError('data', `${index} has no usable weight_map`, {
      where: index,
      expected: 'a shard file name for every tensor',
      got: bad === undefined ? 'nothing' : JSON.stringify(bad),
    });
  }
  const metadata: Record<string, string> = {};
  for (const [key, value] of Object.entries((json?.metadata ?? {}) as Record<string, unknown>)) {
    metadata[key] = typeof value === 'string' ? value : JSON.stringify(value);
  }
  return { weightMap: new Map(entries as [string, string][]), metadata };
}
