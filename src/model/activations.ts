import type { ConfigFields } from './config-fields.ts';
import type { MlpSpec } from './spec.ts';

/** transformers' names of activations. `gelu_new`, `gelu_fast` and `gelu_pytorch_tanh` are one formula. */
const ACTIVATIONS: Record<string, MlpSpec['activation']> = {
  silu: 'silu',
  swish: 'silu',
  gelu: 'gelu',
  gelu_new: 'gelu_tanh',
  gelu_fast: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
};

/** @throws LlmkitError('data') naming the field for an activation that the decoder does not compute */
export function readActivation(fields: ConfigFields, name: string, fallback: string): MlpSpec['activation'] {
  const activation = ACTIVATIONS[fields.string(name, fallback)];
  if (activation === undefined) throw fields.wrong(name, Object.keys(ACTIVATIONS).join(', '));
  return activation;
}

/** As transformers calls it. */
export function activationName(activation: MlpSpec['activation']): string {
  return activation === 'gelu_tanh' ? 'gelu_pytorch_tanh' : activation;
}

/** Dropouts of the base model, which llmkit does not apply: that of LoRA has a setting of its own. */
export function noteDropouts(fields: ConfigFields, names: readonly string[]): void {
  for (const name of names) {
    if (!fields.has(name)) continue;
    const dropout = fields.number(name, 0, 1);
    if (dropout !== 0) fields.note(`${name} ${dropout} is not applied in training`);
  }
}
