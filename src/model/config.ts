import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { LlmkitError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { ConfigFields } from './config-fields.ts';
import { generationEos } from './generation-config.ts';
import { readJsonObject, type JsonObject } from '../io/json-file.ts';
import { gpt2ToConfig, parseGpt2 } from './gpt2.ts';
import { gptNeoxToConfig, parseGptNeox } from './gpt-neox.ts';
import { llamaToConfig, mistralToConfig, parseLlama, parseMistral } from './llama.ts';
import { parseQwen2, qwen2ToConfig } from './qwen2.ts';
import { parseQwen3, qwen3ToConfig } from './qwen3.ts';
import type { DecoderSpec } from './spec.ts';

interface Family {
  parse: (fields: ConfigFields) => DecoderSpec;
  toConfig: (spec: DecoderSpec) => { [key: string]: unknown };
}

const FAMILIES: Record<string, Family> = {
  llama: { parse: parseLlama, toConfig: llamaToConfig },
  mistral: { parse: parseMistral, toConfig: mistralToConfig },
  qwen2: { parse: parseQwen2, toConfig: qwen2ToConfig },
  qwen3: { parse: parseQwen3, toConfig: qwen3ToConfig },
  gpt_neox: { parse: parseGptNeox, toConfig: gptNeoxToConfig },
  gpt2: { parse: parseGpt2, toConfig: gpt2ToConfig },
};

/** The values of `model_type` that llmkit reads. */
export const MODEL_TYPES: readonly string[] = Object.keys(FAMILIES);

/** transformers' names of the dtypes a checkpoint is stored in. */
export type CheckpointDtype = 'float32' | 'bfloat16' | 'float16';

export interface ModelConfigFile {
  spec: DecoderSpec;
  /** What was assumed because the file does not say it, and what it says without effect; one line each. */
  notes: string[];
  /** The dtype the file names (`dtype` or `torch_dtype`), if it names one. The tensors decide, not this. */
  dtype: string | undefined;
  /** config.json as it is. */
  raw: JsonObject;
}

/**
 * Reads a checkpoint folder's config.json, in transformers 4's or 5's spelling, and the end tokens of
 * generation_config.json, which take precedence as they do in transformers.
 *
 * @param options.quantized true where the caller reads `quantization_config` itself; else it is refused
 * @throws LlmkitError('io') when there is none; LlmkitError('data') with the file and the field for anything in it that is
 *   missing, malformed, or changes the result in a way llmkit does not compute.
 */
export function loadModelConfig(dir: string, options: { quantized?: boolean } = {}): ModelConfigFile {
  const path = join(dir, 'config.json');
  if (!existsSync(path)) {
    throw new LlmkitError('io', `${dir} is not a checkpoint folder: it has no config.json`, {
      where: path,
      hint: 'name a folder with config.json and model.safetensors, as transformers saves it',
    });
  }
  const raw = readJsonObject(path);
  const { quantization_config: _quantization, ...plain } = raw;
  const result = { ...parseModelConfig(options.quantized === true ? plain : raw, path), raw };
  result.spec.eosTokenIds = generationEos(dir, result.spec) ?? result.spec.eosTokenIds;
  return result;
}

/**
 * A parsed config.json as a DecoderSpec.
 *
 * @param where the file's name, for errors
 */
export function parseModelConfig(raw: JsonObject, where: string): ModelConfigFile {
  const fields = new ConfigFields(raw, where);
  const modelType = fields.string('model_type');
  const family = Object.hasOwn(FAMILIES, modelType) ? FAMILIES[modelType] : undefined;
  if (family === undefined) {
    const near = nearest(modelType, MODEL_TYPES);
    throw new LlmkitError('data', `model_type ${JSON.stringify(modelType)} is not supported`, {
      where: `${where}: model_type`,
      expected: MODEL_TYPES.join(', '),
      got: modelType,
      ...(near === undefined ? {} : { hint: `did you mean ${near}?` }),
    });
  }
  const spec = family.parse(fields);
  fields.finish(modelType);
  return { spec, notes: fields.notes, dtype: readDtype(fields), raw };
}

function readDtype(fields: ConfigFields): string | undefined {
  for (const name of ['dtype', 'torch_dtype']) {
    if (fields.has(name)) return fields.string(name).replace(/^torch\./, '');
  }
  return undefined;
}

/** The decoder that a checkpoint folder's config.json describes; see {@link loadModelConfig} for errors. */
export function loadSpec(dir: string): DecoderSpec {
  return loadModelConfig(dir).spec;
}

/**
 * config.json for a spec, as transformers 5 writes it, with `rope_theta` (or what the family calls it) and `torch_dtype` beside
 * for readers of the old spelling, which would otherwise take their defaults without a word.
 *
 * @param extras.dtype what the tensors are stored in
 * @param extras.initializerRange kept for whoever trains on (default 0.02)
 */
export function specToConfig(
  spec: DecoderSpec,
  extras: { dtype: CheckpointDtype; initializerRange?: number },
): { [key: string]: unknown } {
  const family = FAMILIES[spec.modelType];
  if (family === undefined) throw new LlmkitError('bug', `no family writes model_type ${spec.modelType}`);
  return {
    ...family.toConfig(spec),
    model_type: spec.modelType,
    dtype: extras.dtype,
    initializer_range: extras.initializerRange ?? 0.02,
    bos_token_id: spec.bosTokenId ?? null,
    eos_token_id: spec.eosTokenIds.length > 1 ? spec.eosTokenIds : (spec.eosTokenIds[0] ?? null),
    pad_token_id: spec.padTokenId ?? null,
    use_cache: true,
    torch_dtype: extras.dtype,
  };
}
