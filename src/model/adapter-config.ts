import { LlmkitError } from '../core/errors.ts';
import { ConfigFields } from './config-fields.ts';
import type { JsonObject } from '../io/json-file.ts';
import type { LoraSettings } from './lora.ts';

/** Options of PEFT's LoraConfig that do not change what a trained adapter computes. */
const WITHOUT_EFFECT = new Set(
  (
    'auto_mapping base_model_name_or_path revision inference_mode peft_version task_type runtime_config ' +
    'fan_in_fan_out megatron_core megatron_config eva_config loftq_config qalora_group_size'
  ).split(/\s+/),
);

/** Options that are read here. */
const READ = new Set(
  (
    'peft_type r lora_alpha lora_dropout target_modules exclude_modules layers_to_transform layers_pattern ' +
    'use_rslora use_dora rank_pattern alpha_pattern bias modules_to_save ensure_weight_tying init_lora_weights'
  ).split(/\s+/),
);

/** Ways to begin that leave the base model as it is. Others (pissa, olora, corda, loftq, ...) change its weights first. */
const PLAIN_INITS: readonly unknown[] = [true, false, null, undefined, 'gaussian', 'eva', 'orthogonal'];

export interface AdapterConfig {
  lora: LoraSettings;
  /** Whether `lora` says where factors must be: not for expressions, which Python and JavaScript may read differently. */
  targetsAreAll: boolean;
  baseModel: string | undefined;
}

/**
 * Reads PEFT's adapter_config.json.
 *
 * @throws LlmkitError('data') naming any option that changes the result and that llmkit does not compute (biases of
 *   lora_B, aLoRA, ...), or that it has never heard of and that is set.
 */
export function parseAdapterConfig(raw: JsonObject, where: string): AdapterConfig {
  const fields = new ConfigFields(raw, where);
  if (fields.string('peft_type') !== 'LORA') throw fields.wrong('peft_type', '"LORA"');
  if (fields.has('task_type') && fields.string('task_type') !== 'CAUSAL_LM')
    throw fields.wrong('task_type', '"CAUSAL_LM"');
  if (!PLAIN_INITS.includes(raw['init_lora_weights'])) {
    const hint =
      'this adapter is relative to a changed base; convert it in PEFT (save_pretrained with path_initial_model_for_weight_conversion)';
    throw fields.wrong('init_lora_weights', 'true, false or "gaussian"', hint);
  }
  const lora = { ...readPlain(fields, raw), ...readTargets(fields, raw) };
  for (const [name, value] of Object.entries(raw)) {
    if (READ.has(name) || WITHOUT_EFFECT.has(name) || isUnset(value)) continue;
    throw new LlmkitError('data', `the adapter uses ${name}, which llmkit does not compute`, {
      where: `${where}: ${name}`,
      expected: 'null, false or nothing',
      got: JSON.stringify(value),
    });
  }
  const isList = typeof lora.targetModules !== 'string' && typeof lora.excludeModules !== 'string';
  const baseModel = raw['base_model_name_or_path'];
  return { lora, targetsAreAll: isList, baseModel: typeof baseModel === 'string' ? baseModel : undefined };
}

function readPlain(fields: ConfigFields, raw: JsonObject): Omit<LoraSettings, 'targetModules'> {
  const bias = fields.has('bias') ? fields.string('bias') : 'none';
  if (bias !== 'none' && bias !== 'all' && bias !== 'lora_only') throw fields.wrong('bias', 'none, all or lora_only');
  const isOn = (name: string): boolean => fields.has(name) && fields.boolean(name);
  const ranks = readPatterns(fields, raw, 'rank_pattern');
  const broken = Object.entries(ranks).find(([, rank]) => !Number.isSafeInteger(rank));
  if (broken !== undefined) throw fields.wrong('rank_pattern', `a whole number for ${broken[0]}`);
  const alphas = readPatterns(fields, raw, 'alpha_pattern');
  return {
    r: fields.integer('r', 1),
    alpha: fields.positive('lora_alpha'),
    dropout: fields.has('lora_dropout') ? fields.number('lora_dropout', 0, 1) : 0,
    useRslora: isOn('use_rslora'),
    ...(isOn('use_dora') ? { useDora: true } : {}),
    ...(isUnset(ranks) ? {} : { rankPattern: ranks }),
    ...(isUnset(alphas) ? {} : { alphaPattern: alphas }),
    ...(bias === 'none' ? {} : { bias }),
    ...(isOn('ensure_weight_tying') ? { ensureWeightTying: true } : {}),
    ...(raw['init_lora_weights'] === 'gaussian' ? { initLoraWeights: 'gaussian' as const } : {}),
  };
}

function readTargets(fields: ConfigFields, raw: JsonObject): Pick<LoraSettings, 'targetModules'> {
  const targets = raw['target_modules'];
  const isList = isNames(targets);
  if (!isList && typeof targets !== 'string') throw fields.wrong('target_modules', 'a list of names, or one pattern');
  const names = (name: string): { [key: string]: readonly string[] } => {
    const value = typeof raw[name] === 'string' ? [raw[name]] : raw[name];
    if (isUnset(value)) return {};
    if (!isNames(value)) throw fields.wrong(name, 'a list of names');
    return { [camel(name)]: value };
  };
  const layers =
    typeof raw['layers_to_transform'] === 'number' ? [raw['layers_to_transform']] : raw['layers_to_transform'];
  const isLayer = (layer: unknown): boolean => Number.isSafeInteger(layer) && (layer as number) >= 0;
  if (!isUnset(layers) && !(Array.isArray(layers) && layers.every(isLayer)))
    throw fields.wrong('layers_to_transform', 'whole numbers from 0');
  const excluded = raw['exclude_modules'];
  return {
    targetModules: isList ? targets.toSorted() : (targets as string),
    ...(typeof excluded === 'string' ? { excludeModules: excluded } : names('exclude_modules')),
    ...(isUnset(layers) ? {} : { layersToTransform: layers as number[] }),
    ...names('layers_pattern'),
    ...names('modules_to_save'),
  };
}

function readPatterns(fields: ConfigFields, raw: JsonObject, name: string): Record<string, number> {
  const value = raw[name] ?? {};
  const isMap = typeof value === 'object' && !Array.isArray(value);
  if (isMap && Object.values(value).every((item) => typeof item === 'number' && item > 0))
    return value as Record<string, number>;
  throw fields.wrong(name, 'positive numbers by module');
}

const isNames = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((name) => typeof name === 'string');

const camel = (name: string): string => name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

function isUnset(value: unknown): boolean {
  if (value === null || value === undefined || value === false) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** adapter_config.json, as PEFT reads it. */
export function adapterConfig(lora: LoraSettings, baseModel: string, fanInFanOut: boolean): JsonObject {
  return {
    alpha_pattern: { ...lora.alphaPattern },
    auto_mapping: null,
    base_model_name_or_path: baseModel,
    bias: lora.bias ?? 'none',
    ...(lora.ensureWeightTying === true ? { ensure_weight_tying: true } : {}),
    exclude_modules: lora.excludeModules ?? null,
    fan_in_fan_out: fanInFanOut,
    inference_mode: true,
    init_lora_weights: lora.initLoraWeights ?? true,
    layers_pattern: lora.layersPattern ?? null,
    layers_to_transform: lora.layersToTransform ?? null,
    lora_alpha: lora.alpha,
    lora_bias: false,
    lora_dropout: lora.dropout,
    modules_to_save: lora.modulesToSave ?? null,
    peft_type: 'LORA',
    r: lora.r,
    rank_pattern: { ...lora.rankPattern },
    revision: null,
    target_modules: lora.targetModules,
    task_type: 'CAUSAL_LM',
    use_dora: lora.useDora ?? false,
    use_rslora: lora.useRslora,
  };
}
