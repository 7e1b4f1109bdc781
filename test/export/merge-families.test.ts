import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { buildTrainingGraph } from '../../src/decoder/training.ts';
import { mergeAdapter } from '../../src/export/merge.ts';
import { openCheckpoint } from '../../src/model/checkpoint.ts';
import { evaluate } from '../support/evaluate.ts';
import { makeBatch, openFixture } from '../support/decoder-fixture.ts';
import { OTHER_FAMILIES } from '../support/families.ts';

const folder = mkdtempSync(join(tmpdir(), 'llmkit-merge-families-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('merging an adapter of PEFT', () => {
  it.each(OTHER_FAMILIES)('%s: the merged checkpoint has the logits of PEFT', async (name) => {
    const fixture = openFixture(name);
    const out = join(folder, name);
    await mergeAdapter({ base: fixture.folder, adapter: join(fixture.folder, 'adapter'), out });
    const { spec, weights } = openCheckpoint(out);
    const { graph } = buildTrainingGraph({
      spec,
      shape: { batch: 2, length: 16, band: 16, blockSize: 16 },
      targets: 1,
      matrixDType: 'f32',
      lora: undefined,
      produce: 'logits',
    });
    const feeds = Object.fromEntries([...weights.tensors.keys()].map((key) => [key, weights.readF32(key)]));
    weights.close();
    const batch = makeBatch(fixture.tensor('input_ids'), fixture.tensor('labels'), 16);
    const actual = evaluate(graph, { ...feeds, ...batch })['logits']!.data;
    const expected = fixture.tensor('lora.logits');
    expect(actual.reduce((top, x, i) => Math.max(top, Math.abs(x - expected[i]!)), 0)).toBeLessThan(1e-4);
  });
});
