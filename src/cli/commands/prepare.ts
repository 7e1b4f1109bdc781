import type { CommandSpec } from '../spec.ts';

export const prepare: CommandSpec = {
  name: 'prepare',
  description: 'turn text, JSON lines, CSV or Parquet into packed, masked rows that datasets.load_from_disk opens',
  flags: [{ flags: '--force', description: 'prepare again even when nothing has changed' }],
  examples: [
    'llmkit prepare -c configs/bank-support.yaml',
    'llmkit prepare -c configs/bank-support.yaml --set prepare.max_length=512',
  ],
  config: 'required',
  module: 'prepare',
  logs: true,
};
