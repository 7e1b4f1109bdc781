import type { CommandSpec } from '../spec.ts';

export const quickstart: CommandSpec = {
  name: 'quickstart',
  description: 'the whole life of a model on the bundled samples, in a few minutes on two cores',
  examples: ['llmkit quickstart', 'llmkit quickstart --engine wasm'],
  config: 'none',
  module: 'quickstart',
};
