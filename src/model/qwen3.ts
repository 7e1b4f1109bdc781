import type { ConfigFields } from './config-fields.ts';
import { llamaLayoutToConfig, llamaNames, parseLlamaLayout } from './llama.ts';
import { QWEN_DEFAULTS, refuseWindow } from './qwen2.ts';
import type { DecoderSpec } from './spec.ts';

/**
 * Qwen3 (Qwen team 2025; `Qwen3Config`), the dense models: Llama with an RMS norm over each head of q and k before it
 * turns, and heads whose size does not follow from the hidden size.
 *
 * @throws LlmkitError('data') naming the field.
 */
export function parseQwen3(fields: ConfigFields): DecoderSpec {
  const spec = parseLlamaLayout(fields, 'qwen3', { ...QWEN_DEFAULTS, headDim: 128 });
  const attentionBias = fields.boolean('attention_bias', false);
  spec.attention.qkvBias = attentionBias;
  spec.attention.outBias = attentionBias;
  spec.attention.qkNorm = true;
  spec.names = llamaNames(spec.tiedHead, { qkNorm: true });
  refuseWindow(fields, spec);
  return spec;
}

export function qwen3ToConfig(spec: DecoderSpec): { [key: string]: unknown } {
  return {
    architectures: ['Qwen3ForCausalLM'],
    ...llamaLayoutToConfig(spec),
    attention_bias: spec.attention.qkvBias,
    use_sliding_window: false,
  };
}
