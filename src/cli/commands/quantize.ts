import type { CommandSpec } from '../spec.ts';

export const quantize: CommandSpec = {
  name: 'quantize',
  description: 'make the weights int8, written as compressed-tensors',
  flags: [
    { flags: '--model <model>', description: 'a folder, or one of base, pretrained and merged; default: the newest' },
    { flags: '--out <folder>', description: 'default: <output_dir>/quantized', type: 'path' },
    { flags: '--scheme <scheme>', description: 'in place of quantize.scheme', choices: ['w8a8', 'w8a16'] },
    { flags: '--method <method>', description: 'in place of quantize.method', choices: ['gptq', 'rtn'] },
  ],
  examples: [
    'llmkit quantize -c configs/bank-support.yaml',
    'llmkit quantize -c configs/bank-support.yaml --scheme w8a16 --method rtn',
  ],
  config: 'required',
  module: 'quantize',
  logs: true,
};
