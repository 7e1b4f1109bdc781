import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chooseEngine } from '../../src/engine/tf/index.ts';
import type { TfEngine } from '../../src/engine/tf/index.ts';
import { mergeAdapter } from '../../src/export/merge.ts';
import { verifyMerge } from '../../src/export/verify-merge.ts';
import { openSafetensors, writeSafetensors } from '../../src/io/safetensors.ts';
import { DECODER_FIXTURES } from '../support/decoder-fixture.ts';

const base = join(DECODER_FIXTURES, 'llama-gqa');
const adapter = join(base, 'adapter');
const folder = mkdtempSync(join(tmpdir(), 'llmkit-verify-'));
let engine: TfEngine;
beforeAll(async () => {
  engine = await chooseEngine({ engine: 'auto' });
});
afterAll(() => {
  engine.dispose();
  rmSync(folder, { recursive: true });
});

describe('verifying a merge by its logits', () => {
  it('accepts the merged model, in f32 and in bf16', async () => {
    for (const dtype of ['float32', 'bfloat16'] as const) {
      const out = join(folder, dtype);
      const verify = async (folders: Parameters<typeof verifyMerge>[1]) => verifyMerge(engine, folders);
      const { verification } = await mergeAdapter({ base, adapter, out, dtype, verify });
      expect(verification!['adapter_effect']).toBeGreaterThan(10 * Number(verification!['max_logit_difference']));
    }
  });

  it('refuses a model that lacks the adapter and leaves no folder behind', async () => {
    const out = join(folder, 'refused');
    const verify = async ({ adapter: from }: { adapter: string }) =>
      verifyMerge(engine, { base, adapter: from, merged: base });
    await expect(mergeAdapter({ base, adapter, out, verify })).rejects.toThrow(
      /does not compute what base and adapter do/,
    );
    expect(() => rmSync(out)).toThrow(/ENOENT/);
  });

  it('refuses a model with a logit that is not a number, wherever it is', async () => {
    const merged = join(folder, 'nan');
    await mergeAdapter({ base, adapter, out: merged });
    const path = join(merged, 'model.safetensors');
    const source = openSafetensors(path);
    const tensors = [...source.tensors].map(([name, { dtype, shape }]) => ({
      name,
      dtype,
      shape: [...shape],
      bytes: source.read(name).slice(),
    }));
    source.close();
    new DataView(tensors.find(({ name }) => name === 'lm_head.weight')!.bytes.buffer).setFloat32(0, Number.NaN, true);
    writeSafetensors(
      path,
      tensors.map(({ bytes, ...tensor }) => ({ ...tensor, data: () => bytes })),
    );
    expect(() => verifyMerge(engine, { base, adapter, merged })).toThrow(/does not compute what base and adapter do/);
  });

  it('leaves no tensors behind', () => {
    const before = engine.numTensors();
    expect(() => verifyMerge(engine, { base, adapter, merged: base })).toThrow();
    expect(engine.numTensors()).toBe(before);
  });
});
