import type { CommandSpec } from '../spec.ts';

export const pretrain: CommandSpec = {
  name: 'pretrain',
  description: 'train a new model from prepared rows',
  flags: [
    { flags: '--resume', description: 'go on from the last checkpoint, as if never interrupted' },
    { flags: '--max-memory <size>', description: 'refuse to begin a run that would take more, such as 4GB' },
  ],
  examples: ['llmkit pretrain -c configs/pretrain-tiny.yaml', 'llmkit pretrain -c configs/pretrain-tiny.yaml --resume'],
  config: 'required',
  module: 'pretrain',
  logs: true,
  precisionOf: 'pretrain',
};
