import type { CommandSpec } from '../spec.ts';

export const setup: CommandSpec = {
  name: 'setup',
  description: 'make the native TensorFlow engine: compiled once, kept in a cache, checked by running a graph',
  flags: [
    { flags: '--gpu', description: 'with CUDA' },
    { flags: '--force', description: 'make it again even if it is there' },
    { flags: '--optional', description: 'exit 0 when it cannot be made: training then runs on wasm, slower' },
  ],
  examples: ['llmkit setup', 'llmkit setup --gpu'],
  config: 'none',
  module: 'setup',
};
