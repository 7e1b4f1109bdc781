import type { CommandSpec } from '../spec.ts';

export const doctor: CommandSpec = {
  name: 'doctor',
  description: 'check this machine: every engine runs an op, and each failure says what to do',
  examples: ['llmkit doctor', 'llmkit doctor --json'],
  config: 'none',
  module: 'doctor',
};
