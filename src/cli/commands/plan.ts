import type { CommandSpec } from '../spec.ts';

export const plan: CommandSpec = {
  name: 'plan',
  description: 'peak memory, steps, tokens and time of a training run, before anything runs',
  args: [{ name: '[stage]', description: 'finetune or pretrain; finetune where the config names a base model' }],
  flags: [
    { flags: '--lora', description: 'as for finetune' },
    { flags: '--full', description: 'as for finetune' },
    { flags: '--freeze <n>', description: 'as for finetune', type: 'int' },
    {
      flags: '--max-memory <size>',
      description: 'say what would fit into this, such as 4GB, if the run does not',
    },
  ],
  examples: [
    'llmkit plan -c configs/bank-support.yaml',
    'llmkit plan pretrain -c configs/pretrain-tiny.yaml --max-memory 2GB',
  ],
  config: 'required',
  module: 'plan',
  precisionOf: 'stage',
};
