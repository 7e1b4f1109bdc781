import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/index.ts';
import { runTraining } from '../../src/train/run.ts';
import type { TrainingRunResult } from '../../src/train/run.ts';
import { initLora } from '../../src/train/weights.ts';
import { openFixture } from '../support/decoder-fixture.ts';

const { checkpoint } = openFixture('llama-gqa');
const row = { inputIds: [1, 2, 3, 4], labels: [-100, 2, 3, 4], seqLengths: [4] };

let dir: string;
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'llmkit-run-'))));
afterEach(() => rmSync(dir, { recursive: true }));

function run(resume: boolean): Promise<TrainingRunResult> {
  const file = join(dir, 'config.yaml');
  writeFileSync(file, 'version: 1\noutput_dir: run\n');
  return runTraining(
    {
      stage: 'finetune',
      config: loadConfig(file, { set: ['finetune.max_steps=1'] }).config.finetune,
      spec: checkpoint.spec,
      source: checkpoint.weights,
      lora: { r: 2, scaling: 1, dropout: 0, targets: (module) => module.endsWith('q_proj') },
      initial: (weights) => initLora(weights, 1),
      train: { numRows: 1, maxLength: 32, row: () => row },
      validation: undefined,
      engine: 'wasm',
      threads: undefined,
      resume,
      checkpointFolder: join(dir, 'checkpoints'),
      fingerprint: {},
    },
    { emit: () => undefined, signal: new AbortController().signal, cwd: dir },
  );
}

describe('a resumed run', () => {
  const state = (): string => join(dir, 'checkpoints/step-00000001/trainer.json');

  it('keeps to what auto chose for memory at first, which decides how sums round', async () => {
    expect((await run(false)).memory).toBe('none');
    const before = JSON.parse(readFileSync(state(), 'utf8')) as { fingerprint: object };
    writeFileSync(state(), JSON.stringify({ ...before, fingerprint: { ...before.fingerprint, memory: 'layer' } }));
    expect((await run(true)).memory).toBe('layer');
  });

  it('names the checkpoint file that is damaged', async () => {
    await run(false);
    for (const damage of [readFileSync(state(), 'utf8').slice(0, 40), '{}']) {
      writeFileSync(state(), damage);
      await expect(run(true)).rejects.toMatchObject({ kind: 'data', where: expect.stringContaining(state()) });
    }
  });
});
