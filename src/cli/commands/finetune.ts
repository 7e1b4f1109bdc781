import type { CommandSpec } from '../spec.ts';

export const finetune: CommandSpec = {
  name: 'finetune',
  description: 'train a LoRA adapter on prepared rows, written as PEFT writes it',
  flags: [
    {
      flags: '--lora',
      description: 'low-rank adapters over the frozen base: the only method so far, and so the default',
    },
    { flags: '--resume', description: 'go on from the last checkpoint, as if never interrupted' },
  ],
  examples: [
    'llmkit finetune --lora -c configs/bank-support.yaml',
    'llmkit finetune --lora -c configs/bank-support.yaml --set finetune.learning_rate=1e-4',
  ],
  config: 'required',
  module: 'finetune',
  logs: true,
  precisionOf: 'finetune',
};
