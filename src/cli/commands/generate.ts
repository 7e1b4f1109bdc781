import type { CommandSpec } from '../spec.ts';

export const generate: CommandSpec = {
  name: 'generate',
  description: 'continue a prompt, or answer it where the model has a chat template; text streams to standard output',
  flags: [
    { flags: '--prompt <text>', description: 'in place of generate.prompt' },
    { flags: '--system <text>', description: 'the system message of a chat' },
    { flags: '--raw', description: 'continue the prompt as it is, without the chat template' },
    { flags: '--model <model>', description: 'a folder, or with -c: base, pretrained, adapter, merged or quantized' },
    { flags: '--adapter <folder>', description: 'a PEFT adapter over the model' },
    { flags: '--max-new-tokens <n>', description: 'in place of generate.max_new_tokens', type: 'int', min: 1 },
    { flags: '--temperature <t>', description: '0 always takes the likeliest token', type: 'number', min: 0 },
    { flags: '--top-k <n>', description: 'sample among this many likeliest tokens; 0 is all', type: 'int', min: 0 },
    {
      flags: '--top-p <p>',
      description: 'sample among the likeliest tokens of this probability together',
      type: 'number',
      min: 0,
      max: 1,
    },
    { flags: '--seed <n>', description: 'in place of generate.seed', type: 'int', min: 0 },
  ],
  examples: [
    'llmkit generate -c configs/bank-support.yaml --prompt "I lost my card"',
    'llmkit generate --model runs/bank-support/merged --prompt "I lost my card" --temperature 0',
  ],
  config: 'optional',
  module: 'generate',
  streams: true,
};
