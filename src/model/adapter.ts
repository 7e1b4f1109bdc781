import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { LlmkitError } from '../core/errors.ts';
import { writeFileAtomic } from '../io/atomic.ts';
import { readJsonObject } from '../io/json-file.ts';
import { openSafetensors, type TensorToWrite, type WeightSource, writeSafetensors } from '../io/safetensors.ts';
import { adapterConfig, parseAdapterConfig } from './adapter-config.ts';
import { type LoraFactors, type LoraSettings, moduleScale } from './lora.ts';
import { HEAD_IN_PEFT, isTarget, resolveTargetModules, savedTensors } from './lora-targets.ts';
import type { DecoderSpec } from './spec.ts';
import { expectedTensors, type LinearModule, linearModules } from './tensors.ts';

const CONFIG = 'adapter_config.json';
const WEIGHTS = 'adapter_model.safetensors';
/** The two files of an adapter folder. */
export const ADAPTER_FILES = [CONFIG, WEIGHTS] as const;
const PREFIX = 'base_model.model.';
const FACTOR = /^(.+)\.lora_(?:A\.weight|B\.weight|magnitude_vector(?:\.weight)?)$/;

export interface Adapter {
  lora: LoraSettings;
  /** By module path, e.g. `model.layers.0.self_attn.q_proj`, layer by layer. */
  factors: Map<string, LoraFactors>;
  /** Tensors that take the place of the base's: trained biases and `modules_to_save`, f32 by checkpoint name. */
  weights: Map<string, Float32Array>;
  /** `base_model_name_or_path`, as written by whoever trained it. */
  baseModel: string | undefined;
}

/**
 * Names of the base's weights that training with these settings changes: biases and `modules_to_save`.
 *
 * @throws LlmkitError('config') for a module that is not there, or biases that the model does not have
 */
export function replacedWeights(spec: DecoderSpec, lora: LoraSettings): string[] {
  const tie = lora.ensureWeightTying ?? false;
  const saved = savedTensors(spec, lora.modulesToSave ?? [], tie, 'modules_to_save');
  const all = expectedTensors(spec).map(({ name }) => name);
  const ofTarget = (name: string): boolean => isTarget(name.slice(0, -'.bias'.length), lora);
  const { bias = 'none' } = lora;
  const biases = all.filter((name) => name.endsWith('.bias') && (bias === 'all' || ofTarget(name)));
  if (bias !== 'none' && biases.length === 0) {
    const which = bias === 'all' ? `this ${spec.modelType} has no biases` : 'the adapted layers have no biases';
    throw new LlmkitError('config', `${which} to train`, { where: 'bias', expected: 'none', got: bias });
  }
  const names = new Set([...saved, ...(bias === 'none' ? [] : biases)]);
  return all.filter((name) => names.has(name));
}

/**
 * Writes a LoRA adapter as PEFT does: adapter_config.json and adapter_model.safetensors (f32). Each file is written
 * beside its name and renamed; wrap in `withAtomicDir` for the folder.
 *
 * @param adapter.factors A [r, in] and B [out, r] by module path, for every module that `targetModules` names
 * @param adapter.weights every tensor of {@link replacedWeights}
 * @throws LlmkitError('bug') for a module or a size that does not fit the spec
 */
export function writeAdapter(
  dir: string,
  adapter: Pick<Adapter, 'lora'> & {
    spec: DecoderSpec;
    factors: ReadonlyMap<string, LoraFactors>;
    weights?: ReadonlyMap<string, Float32Array>;
    baseModel: string;
  },
): void {
  const { spec, lora, factors, weights = new Map(), baseModel } = adapter;
  const targets = resolveTargetModules(spec, lora);
  const surplus = [...factors.keys()].find((module) => !targets.some((target) => target.module === module));
  if (surplus !== undefined) throw new LlmkitError('bug', `${surplus} is none of target_modules`, { where: dir });
  const tensors = targets.flatMap((target): TensorToWrite[] => {
    const found = factors.get(target.module);
    if (found === undefined) throw new LlmkitError('bug', `no factors for ${target.module}`, { where: dir });
    const { A, B, magnitude } = found;
    const { r } = moduleScale(lora, target.module);
    const module = PREFIX + target.module;
    const pair = [
      f32(`${module}.lora_A.weight`, [r, target.in], A),
      f32(`${module}.lora_B.weight`, [target.out, r], B),
    ];
    if (lora.useDora !== true) return pair;
    if (magnitude === undefined) throw new LlmkitError('bug', `no magnitude for ${target.module}`, { where: dir });
    return [...pair, f32(`${module}.lora_magnitude_vector`, [target.out], magnitude)];
  });
  const shapes = new Map(expectedTensors(spec).map(({ name, shape }) => [name, shape]));
  for (const name of replacedWeights(spec, lora)) {
    const values = weights.get(name);
    if (values === undefined) throw new LlmkitError('bug', `no values for ${name}`, { where: dir });
    for (const key of keysOfWeight(spec, lora, name)) tensors.push(f32(PREFIX + key, shapes.get(name)!, values));
  }
  mkdirSync(dir, { recursive: true });
  writeSafetensors(join(dir, WEIGHTS), tensors);
  const fanInFanOut = targets.some(({ transposed }) => transposed);
  const { targetModules } = lora;
  const sorted = typeof targetModules === 'string' ? targetModules : [...targetModules].sort();
  const modulesToSave = lora.modulesToSave?.map((name) => (name === spec.names.headModule ? HEAD_IN_PEFT : name));
  const settings = { ...lora, targetModules: sorted, ...(modulesToSave === undefined ? {} : { modulesToSave }) };
  const config = adapterConfig(settings, baseModel, fanInFanOut);
  writeFileAtomic(join(dir, CONFIG), `${JSON.stringify(config, null, 2)}\n`);
}

function f32(name: string, shape: readonly number[], values: Float32Array): TensorToWrite {
  const { buffer, byteOffset, byteLength } = values;
  return { name, dtype: 'F32', shape, data: new Uint8Array(buffer, byteOffset, byteLength) };
}

/**
 * Under which names PEFT keeps a tensor of the base: an adapted layer holds its bias one level down, tied weights stand
 * twice, the head has one name in all families.
 */
function keysOfWeight(spec: DecoderSpec, lora: LoraSettings, name: string): string[] {
  const module = name.slice(0, name.lastIndexOf('.'));
  if (name === `${spec.names.headModule}.weight`) return [`${HEAD_IN_PEFT}.weight`];
  if (spec.tiedHead && name === `${spec.names.embedding}.weight`) return [name, `${HEAD_IN_PEFT}.weight`];
  if (name.endsWith('.bias') && isTarget(module, lora) && linearModules(spec).some((m) => m.module === module))
    return [`${module}.base_layer.bias`];
  return [name];
}

/**
 * Reads a PEFT LoRA adapter for a model of the given spec.
 *
 * @throws LlmkitError('io') when the folder is no adapter; LlmkitError('data') naming the option or the tensor for
 *   whatever llmkit does not compute, a factor without its pair, a module the model does not have, a wrong shape, NaN.
 */
export function readAdapter(dir: string, spec: DecoderSpec): Adapter {
  requireFile(dir, CONFIG);
  const { lora, targetsAreAll, baseModel } = parseAdapterConfig(readJsonObject(join(dir, CONFIG)), join(dir, CONFIG));
  requireFile(dir, WEIGHTS);
  const path = join(dir, WEIGHTS);
  const source = openSafetensors(path);
  try {
    const modules = new Map(linearModules(spec).map((module) => [module.module, module]));
    const shapes = new Map(expectedTensors(spec).map(({ name, shape }) => [name, shape]));
    const replaced = weightKeys(spec, lora, source, join(dir, CONFIG));
    const replacing = new Set([...replaced.values()].flat());
    const present = new Set<string>();
    for (const name of source.tensors.keys()) {
      if (!replacing.has(name)) present.add(moduleOf(name, modules, path, spec));
    }
    if (targetsAreAll) {
      const absent = [...modules.keys()].find((module) => isTarget(module, lora) && !present.has(module));
      if (absent !== undefined) throw missing(`${PREFIX}${absent}.lora_A.weight`, path);
    }
    const factors = new Map<string, LoraFactors>();
    for (const module of modules.values()) {
      if (present.has(module.module)) factors.set(module.module, readFactors(source, module, lora, path));
    }
    if (factors.size === 0) throw new LlmkitError('data', 'the adapter holds no factors', { where: path });
    const weights = new Map<string, Float32Array>();
    for (const [name, [key, copy]] of replaced) {
      weights.set(name, readTensor(source, key!, shapes.get(name)!, path));
      if (copy !== undefined && Buffer.compare(source.read(copy), source.read(key!)) !== 0) throw untied(copy, path);
    }
    return { lora, factors, weights, baseModel };
  } finally {
    source.close();
  }
}

/** The tensors of the base that the adapter replaces, with the keys they stand under: one, or two where they are tied. */
function weightKeys(spec: DecoderSpec, lora: LoraSettings, source: WeightSource, where: string): Map<string, string[]> {
  const keys = new Map<string, string[]>();
  for (const name of replacedWeightsOf(spec, lora, where)) {
    const module = name.slice(0, name.lastIndexOf('.'));
    const candidates = [...keysOfWeight(spec, lora, name), name, `${module}.base_layer.bias`].map(
      (key) => PREFIX + key,
    );
    const found = [...new Set(candidates)].filter((key) => source.tensors.has(key));
    if (found.length === 0) throw missing(candidates[0]!, where.replace(CONFIG, WEIGHTS));
    keys.set(name, found);
  }
  return keys;
}

/** A config that came with an adapter is data. */
function replacedWeightsOf(spec: DecoderSpec, lora: LoraSettings, where: string): string[] {
  try {
    return replacedWeights(spec, lora);
  } catch (error) {
    if (!(error instanceof LlmkitError) || error.kind !== 'config') throw error;
    const { message, expected, got, hint } = error;
    const details = { expected, got, hint };
    const known = Object.fromEntries(Object.entries(details).filter(([, value]) => value !== undefined));
    throw new LlmkitError('data', message, { where: `${where}: ${error.where}`, ...known, cause: error });
  }
}

function moduleOf(name: string, modules: Map<string, LinearModule>, path: string, spec: DecoderSpec): string {
  const module = name.startsWith(PREFIX) ? FACTOR.exec(name.slice(PREFIX.length))?.[1] : undefined;
  if (module !== undefined && modules.has(module)) return module;
  throw new LlmkitError('data', `${name} does not belong to LoRA on a linear layer of this ${spec.modelType}`, {
    where: `${path}: ${name}`,
    expected: `${PREFIX}${[...modules.keys()][0]!}.lora_A.weight`,
    hint: 'the adapter belongs to another model, or adapts embeddings or the head, which llmkit does not',
  });
}

function readFactors(source: WeightSource, module: LinearModule, lora: LoraSettings, path: string): LoraFactors {
  const { r } = moduleScale(lora, module.module);
  const name = PREFIX + module.module;
  const A = readTensor(source, `${name}.lora_A.weight`, [r, module.in], path);
  const B = readTensor(source, `${name}.lora_B.weight`, [module.out, r], path);
  const [short, long] = [`${name}.lora_magnitude_vector`, `${name}.lora_magnitude_vector.weight`];
  const key = source.tensors.has(long) ? long : short;
  if (lora.useDora === true) return { A, B, magnitude: readTensor(source, key, [module.out], path) };
  if (!source.tensors.has(key)) return { A, B };
  throw new LlmkitError('data', `${key} belongs to DoRA, and the config does not say use_dora`, {
    where: `${path}: ${key}`,
    hint: 'set use_dora to true in adapter_config.json if that is how it was trained',
  });
}

function readTensor(source: WeightSource, name: string, shape: readonly number[], path: string): Float32Array {
  const info = source.tensors.get(name);
  if (info === undefined) throw missing(name, path);
  if (info.shape.join() !== shape.join()) {
    throw new LlmkitError('data', `${name} has a shape that does not fit the model and the ranks of the config`, {
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

function missing(name: string, path: string): LlmkitError {
  return new LlmkitError('data', `${name} is missing`, { where: `${path}: ${name}` });
}

function untied(name: string, path: string): LlmkitError {
  return new LlmkitError('data', 'embedding and head are tied, and the adapter has two of them', {
    where: `${path}: ${name}`,
    expected: 'the same bytes twice, or one of them',
  });
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
