import { LlmkitError } from '../core/errors.ts';
import { ConfigFields } from './config-fields.ts';
import type { JsonObject } from '../io/json-file.ts';
import type { LoraSettings } from './lora.ts';

/** Options of PEFT's LoraConfig that do not change what a trained adapter computes. */
const WITHOUT_EFFECT = new Set(
  (
    'auto_mapping base_model_name_or_path revision inference_mode peft_version task_type runtime_config ' +
    'fan_in_fan_out layers_to_transform layers_pattern exclude_modules ensure_weight_tying ' +
    'megatron_core megatron_config eva_config loftq_config qalora_group_size'
  ).split(/\s+/),
);

/** Ways to begin that leave the base model as it is. Others (pissa, olora, corda, loftq, ...) change its weights first. */
const PLAIN_INITS: readonly unknown[] = [true, false, null, undefined, 'gaussian', 'eva', 'orthogonal'];

export interface AdapterConfig {
  lora: LoraSettings;
  /** Whether `lora.targetModules` says where factors must be: not for a regular expression or a choice of layers. */
  targetsAreAll: boolean;
  baseModel: string | undefined;
}

/**
 * Reads PEFT's adapter_config.json.
 *
 * @throws LlmkitError('data') naming any option that changes the result and that llmkit does not compute (DoRA,
 *   modules_to_save, rank_pattern, biases, ...), or that it has never heard of and that is set.
 */
export function parseAdapterConfig(raw: JsonObject, where: string): AdapterConfig {
  const fields = new ConfigFields(raw, where);
  if (fields.string('peft_type') !== 'LORA') throw fields.wrong('peft_type', '"LORA"');
  if (fields.has('task_type') && fields.string('task_type') !== 'CAUSAL_LM')
    throw fields.wrong('task_type', '"CAUSAL_LM"');
  if (fields.has('bias') && fields.string('bias') !== 'none') throw fields.wrong('bias', '"none"');
  if (!PLAIN_INITS.includes(raw['init_lora_weights'])) {
    const hint =
      'this adapter is relative to a changed base; convert it in PEFT (save_pretrained with path_initial_model_for_weight_conversion)';
    throw fields.wrong('init_lora_weights', 'true, false or "gaussian"', hint);
  }
  const targets = raw['target_modules'];
  const isList = Array.isArray(targets) && targets.every((target) => typeof target === 'string');
  if (!isList && typeof targets !== 'string') throw fields.wrong('target_modules', 'a list of names, or one pattern');
  const lora: LoraSettings = {
    r: fields.integer('r', 1),
    alpha: fields.positive('lora_alpha'),
    dropout: fields.has('lora_dropout') ? fields.number('lora_dropout', 0, 1) : 0,
    targetModules: isList ? (targets as string[]).toSorted() : [targets as string],
    useRslora: fields.has('use_rslora') && fields.boolean('use_rslora'),
  };
  const read = new Set(['peft_type', 'bias', 'init_lora_weights', 'target_modules']);
  for (const name of ['r', 'lora_alpha', 'lora_dropout', 'use_rslora']) read.add(name);
  for (const [name, value] of Object.entries(raw)) {
    if (read.has(name) || WITHOUT_EFFECT.has(name) || isUnset(value)) continue;
    throw new LlmkitError('data', `the adapter uses ${name}, which llmkit does not compute`, {
      where: `${where}: ${name}`,
      expected: 'null, false or nothing',
      got: JSON.stringify(value),
    });
  }
  const chosen = ['layers_to_transform', 'exclude_modules'].some((name) => !isUnset(raw[name]));
  const baseModel = raw['base_model_name_or_path'];
  return { lora, targetsAreAll: isList && !chosen, baseModel: typeof baseModel === 'string' ? baseModel : undefined };
}

function isUnset(value: unknown): boolean {
  if (value === null || value === undefined || value === false) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** adapter_config.json, as PEFT reads it. */
export function adapterConfig(lora: LoraSettings, baseModel: string, fanInFanOut: boolean): JsonObject {
  return {
    alpha_pattern: {},
    auto_mapping: null,
    base_model_name_or_path: baseModel,
    bias: 'none',
    exclude_modules: null,
    fan_in_fan_out: fanInFanOut,
    inference_mode: true,
    init_lora_weights: true,
    layers_pattern: null,
    layers_to_transform: null,
    lora_alpha: lora.alpha,
    lora_bias: false,
    lora_dropout: lora.dropout,
    modules_to_save: null,
    peft_type: 'LORA',
    r: lora.r,
    rank_pattern: {},
    revision: null,
    target_modules: lora.targetModules,
    task_type: 'CAUSAL_LM',
    use_dora: false,
    use_rslora: lora.useRslora,
  };
}
