import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { LlmkitError } from '../core/errors.ts';
import { writeFileAtomic } from '../io/atomic.ts';
import { openSafetensors, type TensorToWrite, type WeightSource, writeSafetensors } from '../io/safetensors.ts';
import { adapterConfig, parseAdapterConfig } from './adapter-config.ts';
import { readJsonObject } from '../io/json-file.ts';
import { isTarget, type LoraFactors, type LoraSettings, resolveTargetModules } from './lora.ts';
import type { DecoderSpec } from './spec.ts';
import { type LinearModule, linearModules } from './tensors.ts';

const CONFIG = 'adapter_config.json';
const WEIGHTS = 'adapter_model.safetensors';
const KEY = /^base_model\.model\.(.+)\.lora_(A|B)\.weight$/;

export interface Adapter {
  lora: LoraSettings;
  /** By module path, e.g. `model.layers.0.self_attn.q_proj`, layer by layer. */
  factors: Map<string, LoraFactors>;
  /** `base_model_name_or_path`, as written by whoever trained it. */
  baseModel: string | undefined;
}

/**
 * Writes a LoRA adapter as PEFT does: adapter_config.json and adapter_model.safetensors (f32). Each file is written
 * beside its name and renamed; wrap in `withAtomicDir` for the folder.
 *
 * @param adapter.factors A [r, in] and B [out, r] by module path, for every module that `targetModules` names
 * @throws LlmkitError('bug') for a module or a size that does not fit the spec
 */
export function writeAdapter(
  dir: string,
  adapter: { spec: DecoderSpec; lora: LoraSettings; factors: ReadonlyMap<string, LoraFactors>; baseModel: string },
): void {
  const { spec, lora, factors, baseModel } = adapter;
  const targets = resolveTargetModules(spec, lora.targetModules);
  const surplus = [...factors.keys()].find((module) => !targets.some((target) => target.module === module));
  if (surplus !== undefined) throw new LlmkitError('bug', `${surplus} is none of target_modules`, { where: dir });
  const tensors = targets.flatMap((target): TensorToWrite[] => {
    const pair = factors.get(target.module);
    if (pair === undefined) throw new LlmkitError('bug', `no factors for ${target.module}`, { where: dir });
    return (['A', 'B'] as const).map((factor) => {
      const shape = factorShape(target, factor, lora.r);
      const { buffer, byteOffset, byteLength } = pair[factor];
      return {
        name: key(target.module, factor),
        dtype: 'F32',
        shape,
        data: new Uint8Array(buffer, byteOffset, byteLength),
      };
    });
  });
  mkdirSync(dir, { recursive: true });
  writeSafetensors(join(dir, WEIGHTS), tensors);
  const fanInFanOut = targets.some(({ transposed }) => transposed);
  const config = adapterConfig({ ...lora, targetModules: lora.targetModules.toSorted() }, baseModel, fanInFanOut);
  writeFileAtomic(join(dir, CONFIG), `${JSON.stringify(config, null, 2)}\n`);
}

/**
 * Reads a PEFT LoRA adapter for a model of the given spec.
 *
 * @throws LlmkitError('io') when the folder is no adapter; LlmkitError('data') naming the option or the tensor for
 *   whatever llmkit does not compute, a factor without its pair, a module the model does not have, a wrong shape, NaN.
 */
export function readAdapter(dir: string, spec: DecoderSpec): Adapter {
  requireFile(dir, CONFIG);
  const config = parseAdapterConfig(readJsonObject(join(dir, CONFIG)), join(dir, CONFIG));
  requireFile(dir, WEIGHTS);
  const path = join(dir, WEIGHTS);
  const source = openSafetensors(path);
  try {
    const modules = new Map(linearModules(spec).map((module) => [module.module, module]));
    const present = new Set<string>();
    for (const name of source.tensors.keys()) present.add(moduleOf(name, modules, path, spec));
    if (config.targetsAreAll) {
      const absent = [...modules.keys()].find((m) => isTarget(m, config.lora.targetModules) && !present.has(m));
      if (absent !== undefined) throw missing(absent, 'A', path);
    }
    const factors = new Map<string, LoraFactors>();
    for (const module of modules.values()) {
      if (!present.has(module.module)) continue;
      const [A, B] = (['A', 'B'] as const).map((factor) => readFactor(source, module, factor, config.lora.r, path));
      factors.set(module.module, { A: A!, B: B! });
    }
    if (factors.size === 0) throw new LlmkitError('data', 'the adapter holds no factors', { where: path });
    return { lora: config.lora, factors, baseModel: config.baseModel };
  } finally {
    source.close();
  }
}

function moduleOf(name: string, modules: Map<string, LinearModule>, path: string, spec: DecoderSpec): string {
  const module = KEY.exec(name)?.[1];
  if (module !== undefined && modules.has(module)) return module;
  throw new LlmkitError('data', `${name} does not belong to LoRA on a linear layer of this ${spec.modelType}`, {
    where: `${path}: ${name}`,
    expected: key([...modules.keys()][0]!, 'A'),
    hint: 'the adapter belongs to another model, or adapts embeddings or the head, which llmkit does not',
  });
}

function readFactor(
  source: WeightSource,
  module: LinearModule,
  factor: 'A' | 'B',
  r: number,
  path: string,
): Float32Array {
  const name = key(module.module, factor);
  const info = source.tensors.get(name);
  if (info === undefined) throw missing(module.module, factor, path);
  const shape = factorShape(module, factor, r);
  if (info.shape.join() !== shape.join()) {
    throw new LlmkitError('data', `${name} has a shape that does not fit the model and r = ${r}`, {
      where: `${path}: ${name}`,
      expected: `[${shape.join(', ')}]`,
      got: `[${info.shape.join(', ')}]`,
    });
  }
  const values = source.readF32(name);
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new LlmkitError('data', `${name} holds ${values[bad]}`, {
      where: `${path}: ${name}`,
      expected: 'finite numbers',
      hint: 'the training that made it diverged: train again with a lower learning_rate',
    });
  }
  return values;
}

function factorShape(module: LinearModule, factor: 'A' | 'B', r: number): number[] {
  return factor === 'A' ? [r, module.in] : [module.out, r];
}

function key(module: string, factor: 'A' | 'B'): string {
  return `base_model.model.${module}.lora_${factor}.weight`;
}

function missing(module: string, factor: 'A' | 'B', path: string): LlmkitError {
  const name = key(module, factor);
  return new LlmkitError('data', `${name} is missing`, { where: `${path}: ${name}` });
}

function requireFile(dir: string, name: string): void {
  if (existsSync(join(dir, name))) return;
  const pickled = existsSync(join(dir, 'adapter_model.bin'));
  throw new LlmkitError('io', `${dir} is not an adapter folder: it has no ${name}`, {
    where: join(dir, name),
    expected: `${CONFIG} and ${WEIGHTS}, as PEFT saves them`,
    ...(pickled ? { hint: 'llmkit does not load pickles: save it again with safe_serialization=True' } : {}),
  });
}
