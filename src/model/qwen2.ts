import type { ConfigFields } from './config-fields.ts';
import { llamaLayoutToConfig, parseLlamaLayout } from './llama.ts';
import type { DecoderSpec } from './spec.ts';

/** Layers from here on have the sliding window, where there is one; `Qwen2Config` and `Qwen3Config`. */
const DEFAULT_MAX_WINDOW_LAYERS = 28;
const DEFAULT_WINDOW = 4096;
export const QWEN_DEFAULTS = { kvHeads: () => 32, maxPositions: 32_768, bosTokenId: [], eosTokenIds: [] };

/**
 * Qwen2 and Qwen2.5 (Qwen team 2024; `Qwen2Config`): Llama with biases on q, k and v, whatever the config says.
 *
 * @throws LlmkitError('data') naming the field.
 */
export function parseQwen2(fields: ConfigFields): DecoderSpec {
  const spec = parseLlamaLayout(fields, 'qwen2', QWEN_DEFAULTS);
  spec.attention.qkvBias = true;
  refuseWindow(fields, spec);
  return spec;
}

/**
 * Refuses a sliding window that some layer has and some sequence can outgrow; elsewhere the settings have no effect.
 *
 * @throws LlmkitError('data') naming use_sliding_window; a `layer_types` with other than full attention is refused by
 *   `ConfigFields.finish`
 */
export function refuseWindow(fields: ConfigFields, { numLayers, maxPositions }: DecoderSpec): void {
  const used = fields.has('use_sliding_window') && fields.boolean('use_sliding_window');
  const window = fields.has('sliding_window') ? fields.integer('sliding_window', 1) : DEFAULT_WINDOW;
  const first = fields.has('max_window_layers') ? fields.integer('max_window_layers', 0) : DEFAULT_MAX_WINDOW_LAYERS;
  if (!used || fields.isNull('sliding_window') || window >= maxPositions || first >= numLayers) return;
  throw fields.wrong(
    'use_sliding_window',
    `false, sliding_window of at least ${maxPositions}, or max_window_layers of at least ${numLayers}`,
    `attention over a sliding window of ${window} tokens in layers ${first} to ${numLayers - 1} is not supported`,
  );
}

export function qwen2ToConfig(spec: DecoderSpec): { [key: string]: unknown } {
  return { architectures: ['Qwen2ForCausalLM'], ...llamaLayoutToConfig(spec), use_sliding_window: false };
}
