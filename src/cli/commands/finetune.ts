import type { CommandSpec } from '../spec.ts';

export const finetune: CommandSpec = {
  name: 'finetune',
  description: 'train a LoRA adapter (as PEFT writes it), or the model itself, on prepared rows',
  flags: [
    { flags: '--lora', description: 'low-rank adapters over the frozen base: finetune.method: lora, the default' },
    { flags: '--full', description: 'every weight; writes a checkpoint: finetune.method: full' },
    {
      flags: '--freeze <n>',
      description: 'the last n blocks, or the first when negative; writes a checkpoint: finetune.method: freeze',
      type: 'int',
    },
    {
      flags: '--init-adapter <folder>',
      description: 'begin with the weights and settings of this PEFT adapter, with a fresh optimizer',
      type: 'path',
    },
    { flags: '--resume', description: 'go on from the last checkpoint, as if never interrupted' },
    { flags: '--max-memory <size>', description: 'refuse to begin a run that would take more, such as 4GB' },
  ],
  examples: [
    'llmkit finetune --lora -c configs/bank-support.yaml',
    'llmkit finetune --lora -c configs/bank-support.yaml --set finetune.lora.use_dora=true',
    'llmkit finetune --freeze 2 -c configs/bank-support.yaml --set finetune.learning_rate=1e-4',
  ],
  config: 'required',
  module: 'finetune',
  logs: true,
  precisionOf: 'finetune',
};
