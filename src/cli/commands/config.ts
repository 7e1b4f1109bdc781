import type { CommandSpec } from '../spec.ts';

export const configCheck: CommandSpec = {
  name: 'config check',
  description: 'check a config file: every error at once, with line and column',
  examples: [
    'llmkit config check -c configs/bank-support.yaml',
    'llmkit config check -c configs/bank-support.yaml --set finetune.lora.r=8',
  ],
  config: 'required',
  module: 'config',
  preset: { action: 'check' },
  inline: true,
};

export const configPrint: CommandSpec = {
  name: 'config print',
  description: 'print the config as it is understood: extends, --set, variables and defaults filled in',
  examples: [
    'llmkit config print -c configs/bank-support.yaml',
    'llmkit config print -c configs/bank-support.yaml --json',
  ],
  config: 'required',
  module: 'config',
  preset: { action: 'print' },
  inline: true,
};

export const configSchema: CommandSpec = {
  name: 'config schema',
  description: 'print the JSON Schema of config files, for editors',
  flags: [{ flags: '--out <file>', description: 'write it to a file', type: 'path' }],
  examples: ['llmkit config schema --out configs/schema/llmkit.schema.json'],
  config: 'none',
  module: 'config',
  preset: { action: 'schema' },
  inline: true,
};
