import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openModel } from '../../src/infer/load.ts';
import { ADAPTERS, openAdapterFixture } from '../support/adapter-fixture.ts';
import { maxDifference } from './tiny.ts';

const dir = mkdtempSync(join(tmpdir(), 'llmkit-adapters-'));
afterAll(() => rmSync(dir, { recursive: true }));

describe('a model with an adapter that is not merged', () => {
  it.each(ADAPTERS)("%s: gives PEFT's logits", async (name) => {
    const fixture = openAdapterFixture(name);
    const row = fixture.base.tensor('input_ids').subarray(0, 16);
    const { session, dispose } = await openModel(fixture.base.folder, {
      adapter: fixture.folder,
      threads: 1,
      cacheDir: dir,
    });
    const logits = new Float32Array(16 * session.vocabSize);
    await session.prefill(row, {
      logitsFrom: 0,
      reuse: false,
      onLogits: (part, first) => logits.set(part, first * session.vocabSize),
    });
    dispose();
    expect(maxDifference(logits, fixture.tensor('logits').subarray(0, logits.length))).toBeLessThan(1e-4);
  });
});
