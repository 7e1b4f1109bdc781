import { LlmkitError } from '../core/errors.ts';
import type { Json } from '../core/events.ts';

/** w8a8: int8 weights per channel, activations quantized per token at run time. w8a16: int8 weights per group only. */
export type Scheme = 'w8a8' | 'w8a16';

export interface QuantizationScheme {
  scheme: Scheme;
  /** Input features that share a scale; undefined for one scale an output feature. */
  groupSize: number | undefined;
  actorder: 'none' | 'static';
}

/**
 * `quantization_config` of config.json as compressed-tensors defines it and vLLM, llm-compressor and transformers read it:
 * `int-quantized` for w8a8, `pack-quantized` for w8a16. The head stays out, as their loaders expect.
 *
 * @param head its module path in the checkpoint; transformers 5 calls it lm_head in every family
 */
export function compressedTensorsConfig(
  { scheme, groupSize, actorder }: QuantizationScheme,
  head: string,
): { [key: string]: Json } {
  const weights = {
    num_bits: 8,
    type: 'int',
    symmetric: true,
    strategy: groupSize === undefined ? 'channel' : 'group',
    group_size: groupSize ?? null,
    block_structure: null,
    dynamic: false,
    actorder: actorder === 'static' ? 'static' : null,
    observer: 'minmax',
    observer_kwargs: {},
  };
  const activations = {
    num_bits: 8,
    type: 'int',
    symmetric: true,
    strategy: 'token',
    group_size: null,
    block_structure: null,
    dynamic: true,
    actorder: null,
    observer: null,
    observer_kwargs: {},
  };
  return {
    quant_method: 'compressed-tensors',
    format: scheme === 'w8a8' ? 'int-quantized' : 'pack-quantized',
    quantization_status: 'compressed',
    global_compression_ratio: null,
    ignore: [...new Set(['lm_head', head])],
    kv_cache_scheme: null,
    config_groups: {
      group_0: {
        targets: ['Linear'],
        weights,
        input_activations: scheme === 'w8a8' ? activations : null,
        output_activations: null,
      },
    },
  };
}

type JsonObject = { [key: string]: unknown };

/**
 * Reads the `quantization_config` of a compressed-tensors checkpoint.
 *
 * @param config the object; undefined when config.json has none.
 * @throws LlmkitError `data` naming the first field whose value llmkit does not compute.
 */
export function parseCompressedTensors(config: unknown, path: string): QuantizationScheme {
  const root = object(config, path, 'quantization_config');
  demand(root, 'quant_method', ['compressed-tensors'], path, 'quantization_config');
  demand(root, 'format', ['int-quantized', 'pack-quantized'], path, 'quantization_config');
  demand(root, 'kv_cache_scheme', [null, undefined], path, 'quantization_config');
  for (const name of ['sparsity_config', 'transform_config']) {
    if (JSON.stringify(root[name] ?? {}) !== '{}') {
      throw unsupported(path, `quantization_config.${name}`, 'nothing', JSON.stringify(root[name]));
    }
  }
  const groups = Object.entries(object(root['config_groups'], path, 'quantization_config.config_groups'));
  const [first] = groups;
  if (groups.length !== 1 || first === undefined) {
    throw unsupported(path, 'quantization_config.config_groups', 'one group', `${groups.length}`);
  }
  const key = `quantization_config.config_groups.${first[0]}`;
  const group = object(first[1], path, key);
  if (JSON.stringify(group['targets']) !== '["Linear"]') {
    throw unsupported(path, `${key}.targets`, '["Linear"]', JSON.stringify(group['targets']));
  }
  const weights = object(group['weights'], path, `${key}.weights`);
  demand(weights, 'num_bits', [8], path, `${key}.weights`);
  demand(weights, 'type', ['int'], path, `${key}.weights`);
  demand(weights, 'symmetric', [true], path, `${key}.weights`);
  demand(weights, 'dynamic', [false, undefined], path, `${key}.weights`);
  demand(weights, 'strategy', ['channel', 'group'], path, `${key}.weights`);
  demand(weights, 'actorder', [null, undefined, false, 'static', 'weight'], path, `${key}.weights`);
  const packed = root['format'] === 'pack-quantized';
  const channel = weights['strategy'] === 'channel';
  const groupSize = channel ? undefined : weights['group_size'];
  if (groupSize !== undefined && (!Number.isSafeInteger(groupSize) || (groupSize as number) < 1)) {
    throw unsupported(path, `${key}.weights.group_size`, 'a positive whole number', JSON.stringify(groupSize));
  }
  demand(group, 'output_activations', [null, undefined], path, key);
  const activations = group['input_activations'] ?? null;
  if (activations !== null) {
    const input = object(activations, path, `${key}.input_activations`);
    for (const [name, values] of Object.entries({
      num_bits: [8],
      type: ['int'],
      symmetric: [true],
      dynamic: [true],
      strategy: ['token'],
    })) {
      demand(input, name, values, path, `${key}.input_activations`);
    }
    if (packed || !channel)
      throw unsupported(path, key, 'int-quantized weights per channel with quantized activations', 'another mix');
  }
  const order = weights['actorder'];
  return {
    scheme: activations === null ? 'w8a16' : 'w8a8',
    groupSize: groupSize as number | undefined,
    actorder: order === 'static' || order === 'weight' ? 'static' : 'none',
  };
}

function object(value: unknown, path: string, key: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw unsupported(path, key, 'an object', JSON.stringify(value) ?? 'nothing');
}

function demand(owner: JsonObject, name: string, allowed: readonly unknown[], path: string, key: string): void {
  if (allowed.includes(owner[name])) return;
  const expected = allowed
    .filter((value) => value !== undefined)
    .map((value) => JSON.stringify(value))
    .join(' or ');
  throw unsupported(path, `${key}.${name}`, expected, JSON.stringify(owner[name]) ?? 'nothing');
}

function unsupported(path: string, key: string, expected: string, got: string): LlmkitError {
  return new LlmkitError('data', `llmkit does not read this kind of quantized checkpoint`, {
    where: `${path}: ${key}`,
    expected,
    got,
    hint: 'quantize the original checkpoint with llmkit quantize',
  });
}
