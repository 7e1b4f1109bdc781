import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chooseEngine, type TfEngine } from '../../src/engine/tf/index.ts';
import { deriveCheckpoint } from '../../src/export/derive.ts';
import { mergeAdapter } from '../../src/export/merge.ts';
import { verifyMerge } from '../../src/export/verify-merge.ts';
import { openWeights } from '../../src/io/safetensors.ts';
import { openCheckpoint } from '../../src/model/checkpoint.ts';
import { ADAPTERS, openAdapterFixture } from '../support/adapter-fixture.ts';
import { DECODER_FIXTURES } from '../support/decoder-fixture.ts';

const folder = mkdtempSync(join(tmpdir(), 'llmkit-methods-'));
let engine: TfEngine;
beforeAll(async () => {
  engine = await chooseEngine({ engine: 'auto' });
});
afterAll(() => {
  engine.dispose();
  rmSync(folder, { recursive: true });
});

const largestDifference = (a: Float32Array, b: Float32Array): number =>
  a.reduce((top, x, i) => Math.max(top, Math.abs(x - b[i]!)), 0);

describe.each(ADAPTERS)('merging the adapter %s', (name) => {
  it("gives PEFT's weights, the base's bytes elsewhere, and the adapter's logits", async () => {
    const fixture = openAdapterFixture(name);
    const [base, out] = [fixture.base.folder, join(folder, name)];
    const verify = async (folders: Parameters<typeof verifyMerge>[1]) => verifyMerge(engine, folders);
    const report = await mergeAdapter({ base, adapter: fixture.folder, out, verify });
    expect(report).toMatchObject({
      mergedModules: fixture.adapter.factors.size,
      replacedTensors: fixture.adapter.weights.size,
    });
    const { max_logit_difference: difference, adapter_effect: effect } = report.verification as Record<string, number>;
    expect(difference!).toBeLessThan(effect! / 1000);
    const merged = openWeights(out);
    const changed = fixture.tensors().flatMap((key) => /^merged\.(.+)/.exec(key)?.[1] ?? []);
    expect(changed.length).toBeGreaterThanOrEqual(fixture.adapter.factors.size);
    for (const key of merged.tensors.keys()) {
      const values = merged.readF32(key);
      if (!changed.includes(key)) expect(values, key).toEqual(fixture.base.weights[key]);
      else expect(largestDifference(values, fixture.tensor(`merged.${key}`)), key).toBeLessThan(1e-6);
    }
    merged.close();
  });
});

describe('a checkpoint derived from another', () => {
  it.each(['bf16', 'bf16-sharded'])('keeps the bytes of what was not trained: %s', async (variant) => {
    const base = join(DECODER_FIXTURES, 'variants', variant);
    const checkpoint = openCheckpoint(base);
    const out = mkdtempSync(join(folder, 'derived-'));
    const trained = new Float32Array(32).fill(0.5);
    const name = 'model.layers.1.input_layernorm.weight';
    await deriveCheckpoint(out, { base, checkpoint, changed: (key) => (key === name ? trained : undefined) });
    const derived = openCheckpoint(out);
    for (const [key, { dtype }] of checkpoint.weights.tensors) {
      expect(derived.weights.tensors.get(key)!.dtype).toBe(dtype);
      if (key === name) expect(derived.weights.readF32(key)).toEqual(trained);
      else expect(derived.weights.read(key)).toEqual(checkpoint.weights.read(key));
    }
    expect(readFileSync(join(out, 'config.json'))).toEqual(readFileSync(join(base, 'config.json')));
    derived.close();
    checkpoint.close();
  });

  it('stores another dtype when asked, and says so', async () => {
    const base = join(folder, 'f32');
    cpSync(join(DECODER_FIXTURES, 'llama-gqa'), base, { recursive: true });
    const checkpoint = openCheckpoint(base);
    const out = mkdtempSync(join(folder, 'derived-'));
    await deriveCheckpoint(out, { base, checkpoint, dtype: 'bfloat16', changed: () => undefined });
    const derived = openCheckpoint(out);
    expect(new Set([...derived.weights.tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['BF16']));
    expect(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'))).toMatchObject({ dtype: 'bfloat16' });
    derived.close();
    checkpoint.close();
  });
});
