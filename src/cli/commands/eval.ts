import type { CommandSpec } from '../spec.ts';

export const evaluate: CommandSpec = {
  name: 'eval',
  description: 'measure perplexity and tasks; exit code 1 when a gate of the config fails',
  flags: [
    { flags: '--model <model>', description: 'a folder, or one of base, pretrained, adapter, merged and quantized' },
    { flags: '--adapter <folder>', description: 'a PEFT adapter over the model' },
    { flags: '--out <folder>', description: 'default: <output_dir>/eval/<model>', type: 'path' },
    {
      flags: '--baseline <path>',
      description: 'what max_regression compares with, in place of eval.baseline',
      type: 'path',
    },
    { flags: '--update-baseline', description: 'write what was measured to the baseline' },
    { flags: '--junit <file>', description: 'write the gates as JUnit XML here too', type: 'path' },
    { flags: '--github-summary', description: 'add a table to the summary of the GitHub Actions step' },
  ],
  examples: [
    'llmkit eval -c configs/bank-support.yaml',
    'llmkit eval -c configs/bank-support.yaml --model quantized --baseline runs/bank-support/eval/merged',
  ],
  config: 'required',
  module: 'eval',
  logs: true,
};
