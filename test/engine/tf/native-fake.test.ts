import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { NativeEngine } from '../../../src/engine/tf/native.ts';
import type { TfGraph } from '../../../src/engine/tf/types.ts';
import { type FakeAddon, fakeAddon } from './fake-addon.ts';

// A processor without bf16, whatever this one has.
vi.mock('../../../src/core/cpu.ts', async (original) => ({
  ...(await original<object>()),
  multipliesBf16: () => false,
}));

const folder = mkdtempSync(join(tmpdir(), 'llmkit-fake-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
function addon(fake: FakeAddon): string {
  const path = join(folder, `addon-${count++}.cjs`);
  writeFileSync(path, fakeAddon(fake));
  return path;
}

describe('the native engine', () => {
  it('multiplies bf16 where its device does, not where the processor beside a GPU does', () => {
    expect(new NativeEngine(addon({ gpu: true })).multipliesBf16).toBe(true);
    expect(new NativeEngine(addon({ gpu: false })).multipliesBf16).toBe(false);
  });

  it('gives the addon short names, which it copies for each input at every run', () => {
    const path = addon({});
    const engine = new NativeEngine(path);
    const names = ['q_proj', 'k_proj'].map((role) => `model.layers.11.self_attn.${role}.lora_A.weight`);
    const inputs = names.map((name) => ({ name, dtype: 'f32' as const, shape: [1] }));
    const graph: TfGraph = {
      nodes: [
        ...names.map((name) => ({ name, op: 'Placeholder', inputs: [], attrs: { dtype: { type: 'f32' as const } } })),
        { name: 'y', op: 'AddV2', inputs: names, attrs: { T: { type: 'f32' } } },
      ],
      inputs,
      outputs: [{ name: 'y', ref: 'y', dtype: 'f32', shape: [1] }],
    };
    const program = engine.load(graph);
    const [a, b] = inputs.map(({ shape }) => engine.tensor(Float32Array.of(1), shape, 'f32'));
    program.run({ [names[0]!]: a!, [names[1]!]: b! });
    const { inputNames } = createRequire(import.meta.url)(path) as { inputNames: string };
    expect(inputNames).toBe('i0:0,i1:0');
  });
});
