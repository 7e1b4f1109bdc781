import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it, vi } from 'vitest';
import { loadConfig } from '../../src/config/index.ts';
import type { LlmkitEvent } from '../../src/core/events.ts';
import { runTraining } from '../../src/train/run.ts';
import { initLora } from '../../src/train/weights.ts';
import { openFixture } from '../support/decoder-fixture.ts';
import { engines } from '../support/engines.ts';

// No memory to spare, whatever this machine has: `auto` recomputes where that helps.
vi.mock('../../src/core/memory.ts', async (original) => ({ ...(await original<object>()), availableMemory: () => 0 }));

const dir = mkdtempSync(join(tmpdir(), 'llmkit-memory-'));
afterAll(() => rmSync(dir, { recursive: true }));

const { checkpoint } = openFixture('llama-gqa');
const row = { inputIds: [1, 2, 3, 4], labels: [-100, 2, 3, 4], seqLengths: [4] };

async function run(engine: 'native' | 'wasm', memory: 'auto' | 'layer') {
  const events: LlmkitEvent[] = [];
  const file = join(dir, 'config.yaml');
  writeFileSync(file, 'version: 1\noutput_dir: run\n');
  const result = await runTraining(
    {
      stage: 'finetune',
      config: loadConfig(file, { set: ['finetune.max_steps=1', `finetune.memory=${memory}`] }).config.finetune,
      spec: checkpoint.spec,
      source: checkpoint.weights,
      lora: { r: 2, scaling: 1, dropout: 0, targets: (module) => module.endsWith('q_proj') },
      initial: (weights) => initLora(weights, 1),
      train: { numRows: 1, maxLength: 32, row: () => row },
      validation: undefined,
      engine,
      threads: undefined,
      resume: false,
      checkpointFolder: join(dir, engine, memory),
      fingerprint: {},
    },
    { emit: (event) => events.push(event), signal: new AbortController().signal, cwd: dir },
  );
  const warnings = events.flatMap((event) => (event.type === 'warning' ? [event.message] : []));
  return { memory: result.memory, warnings };
}

it.each(engines)('recomputes where the engine (%s) can wait with it, and says when it cannot', async (engine) => {
  const memory = engine === 'wasm' ? 'none' : 'layer';
  expect(await run(engine, 'auto')).toEqual({ memory, warnings: [] });
  const warnings = engine === 'wasm' ? [expect.stringContaining('saves nothing on the wasm engine')] : [];
  expect(await run(engine, 'layer')).toEqual({ memory, warnings });
});
