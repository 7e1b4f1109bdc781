import type { CommandSpec } from '../spec.ts';

export const merge: CommandSpec = {
  name: 'merge',
  description: 'add the adapter to its base and write a checkpoint that transformers opens',
  flags: [
    { flags: '--adapter <folder>', description: 'default: <output_dir>/adapter', type: 'path' },
    { flags: '--base <folder>', description: 'default: model.name_or_path', type: 'path' },
    { flags: '--out <folder>', description: 'default: <output_dir>/merged', type: 'path' },
    {
      flags: '--dtype <dtype>',
      description: "what weights are stored in; default: the base's",
      choices: ['float32', 'bfloat16', 'float16'],
    },
  ],
  examples: [
    'llmkit merge -c configs/bank-support.yaml',
    'llmkit merge -c configs/bank-support.yaml --dtype float32 --out runs/bank-support/merged-f32',
  ],
  config: 'required',
  module: 'merge',
  logs: true,
};
