import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/index.ts';
import type { LlmkitEvent } from '../../src/core/events.ts';
import { runTraining } from '../../src/train/run.ts';
import type { TrainingRunResult } from '../../src/train/run.ts';
import { initLora } from '../../src/train/weights.ts';
import { openFixture } from '../support/decoder-fixture.ts';

const { checkpoint } = openFixture('llama-gqa');
const row = { inputIds: [1, 2, 3, 4], labels: [-100, 2, 3, 4], seqLengths: [4] };

let dir: string;
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'llmkit-run-'))));
afterEach(() => rmSync(dir, { recursive: true }));

let events: LlmkitEvent[] = [];

function run(resume: boolean, ...set: string[]): Promise<TrainingRunResult> {
  events = [];
  const file = join(dir, 'config.yaml');
  writeFileSync(file, 'version: 1\noutput_dir: run\n');
  return runTraining(
    {
      stage: 'finetune',
      config: loadConfig(file, { set: ['finetune.max_steps=1', ...set] }).config.finetune,
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
    { emit: (event) => events.push(event), signal: new AbortController().signal, cwd: dir },
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

const warnings = (): string[] => events.flatMap((event) => (event.type === 'warning' ? [event.message] : []));

describe('a run', () => {
  it('of one step takes it at the peak rate', async () => {
    await run(false);
    expect(events.find(({ type }) => type === 'step')).toMatchObject({ values: { learning_rate: 2e-4 } });
    expect(warnings()).toEqual([]);
  });

  it('warns when every step warms up, and when it takes the place of an earlier one', async () => {
    await run(false, 'finetune.warmup_steps=1');
    expect(warnings()).toEqual([expect.stringMatching(/^warmup_steps 1 covers all 1 steps/)]);
    await run(false);
    expect(warnings()).toEqual([expect.stringMatching(/^the checkpoints of an earlier run, up to step 1,/)]);
  });

  it('is known again by the version of its engine, too', async () => {
    const { engine } = await run(false);
    expect(JSON.parse(readFileSync(join(dir, 'checkpoints/step-00000001/trainer.json'), 'utf8'))).toMatchObject({
      fingerprint: { engine },
    });
  });
});
