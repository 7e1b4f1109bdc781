import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openModel } from '../../src/infer/load.ts';
import { openFixture } from '../support/decoder-fixture.ts';
import { OTHER_FAMILIES } from '../support/families.ts';
import { maxDifference } from './tiny.ts';

const folder = mkdtempSync(join(tmpdir(), 'llmkit-infer-families-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function logitsOf(name: string, adapter: string | undefined): Promise<Float32Array> {
  const fixture = openFixture(name);
  const model = await openModel(fixture.folder, { adapter, threads: 1, cacheDir: join(folder, 'cache') });
  const logits: number[] = [];
  const row = Int32Array.from(fixture.tensor('input_ids').subarray(0, 16));
  await model.session.prefill(row, { logitsFrom: 0, onLogits: (part) => void logits.push(...part) });
  model.dispose();
  return Float32Array.from(logits);
}

describe.each(OTHER_FAMILIES)('%s opened for inference', (name) => {
  const fixture = openFixture(name);
  const size = 16 * fixture.checkpoint.spec.vocabSize;

  it("has transformers' logits, and PEFT's with the adapter", async () => {
    const plain = await logitsOf(name, undefined);
    expect(maxDifference(plain, fixture.tensor('logits').subarray(0, size))).toBeLessThan(1e-4);
    const adapted = await logitsOf(name, join(fixture.folder, 'adapter'));
    expect(maxDifference(adapted, fixture.tensor('lora.logits').subarray(0, size))).toBeLessThan(1e-4);
  });

  it('chooses the tokens that transformers does, one after another', async () => {
    const { prompt, tokens } = fixture.expected.greedy!;
    const model = await openModel(fixture.folder, { threads: 1, cacheDir: join(folder, 'cache') });
    let logits = await model.session.prefill(Int32Array.from(prompt));
    for (const [i, token] of tokens.entries()) {
      expect(logits.indexOf(Math.max(...logits)), `token ${i}`).toBe(token);
      if (i + 1 < tokens.length) logits = model.session.step(token);
    }
    model.dispose();
  });
});
