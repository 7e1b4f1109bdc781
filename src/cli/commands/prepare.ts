import type { CommandSpec } from '../spec.ts';

export const prepare: CommandSpec = {
  name: 'prepare',
  description: 'turn text, JSON, CSV, Parquet or Arrow into packed, masked rows that datasets.load_from_disk opens',
  flags: [
    { flags: '--force', description: 'prepare again even when nothing has changed' },
    { flags: '--explain', description: 'write every dropped row to explain/, with the rule and the value' },
  ],
  examples: [
    'llmkit prepare -c configs/bank-support.yaml',
    'llmkit prepare -c configs/bank-support.yaml --set prepare.max_length=512',
    'llmkit prepare -c configs/clean-corpus.yaml --explain',
  ],
  config: 'required',
  module: 'prepare',
  logs: true,
};
