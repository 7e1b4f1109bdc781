import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chooseEngine } from '../../src/engine/tf/index.ts';
import type { TfEngine } from '../../src/engine/tf/index.ts';
import { openModel } from '../../src/infer/load.ts';
import { readJsonObject } from '../../src/io/json-file.ts';
import { openCheckpoint } from '../../src/model/checkpoint.ts';
import { linearModules } from '../../src/model/tensors.ts';
import type { Scheme } from '../../src/quant/checkpoint-config.ts';
import { openQuantized } from '../../src/quant/compressed-tensors.ts';
import { dequantize } from '../../src/quant/grid.ts';
import { quantizeModel } from '../../src/quant/quantize-model.ts';
import type { LayerReport } from '../../src/quant/quantize-model.ts';
import { QuantizedWriter } from '../../src/quant/write.ts';
import { openFixture } from '../support/decoder-fixture.ts';
import { rejection } from '../support/failure.ts';

const folder = mkdtempSync(join(tmpdir(), 'llmkit-quantize-families-'));
let engine: TfEngine;
beforeAll(async () => {
  engine = await chooseEngine({ engine: 'auto' });
});
afterAll(() => {
  engine.dispose();
  rmSync(folder, { recursive: true });
});

/** A family's fixture quantized by GPTQ on its own batch, as a folder. */
async function quantize(name: string, scheme: Scheme): Promise<{ out: string; reports: LayerReport[] }> {
  const fixture = openFixture(name);
  const { checkpoint } = fixture;
  const groupSize = scheme === 'w8a8' ? undefined : 16;
  const out = mkdtempSync(join(folder, `${name}-`));
  const source = { dir: fixture.folder, weights: checkpoint.weights, spec: checkpoint.spec };
  const writer = new QuantizedWriter(out, source, { scheme, groupSize, actorder: 'none' });
  const ids = fixture.tensor('steps.input_ids');
  const rows = Array.from({ length: 40 }, (_, i) => ({
    inputIds: ids.subarray(i * 16, i * 16 + 16),
    seqLengths: [16],
  }));
  const reports: LayerReport[] = [];
  await quantizeModel({
    checkpoint,
    head: 'keep',
    groupSize,
    scaleFormat: 'half',
    mse: false,
    blockSize: 128,
    percdamp: 0.01,
    actorder: 'none',
    calibration: { engine, rows, maxLength: 16 },
    onLayer: (report, matrix) => {
      reports.push(report);
      writer.put(report.layer, report.role, matrix);
    },
  });
  writer.finish(readJsonObject(join(fixture.folder, 'config.json')), 'keep');
  return { out, reports };
}

describe.each(['qwen2', 'qwen3', 'gpt-neox'])('%s', (name) => {
  it.each(['w8a8', 'w8a16'] as const)('%s: answers near the model it was made from', async (scheme) => {
    const { out, reports } = await quantize(name, scheme);
    const fixture = openFixture(name);
    const { spec } = fixture.checkpoint;
    expect(reports.map(({ module }) => module)).toEqual(linearModules(spec).map(({ module }) => module));
    for (const { error, rtnError, module } of reports) expect(error!, module).toBeLessThanOrEqual(rtnError! * 1.001);
    const { quantization_config: quantization } = readJsonObject(join(out, 'config.json'));
    expect(quantization).toMatchObject({ ignore: expect.arrayContaining(['lm_head', spec.names.headModule]) });

    const model = await openModel(out, { threads: 1, cacheDir: join(folder, 'cache') });
    const actual: number[] = [];
    const onLogits = (part: Float32Array): void => void actual.push(...part);
    await model.session.prefill(Int32Array.from(fixture.tensor('input_ids').subarray(0, 16)), {
      logitsFrom: 0,
      onLogits,
    });
    model.dispose();
    const expected = fixture.tensor('logits').subarray(0, 16 * spec.vocabSize);
    const squared = (values: ArrayLike<number>): number => Array.from(values).reduce((sum, x) => sum + x * x, 0);
    const error = actual.map((x, i) => x - expected[i]!);
    // Weights of 8 bits and activations of 8 bits, through two layers of random weights.
    expect(Math.sqrt(squared(error) / squared(expected))).toBeLessThan(0.08);
  });

  it('gives back the rows of each role of a quantized matrix', async () => {
    const { out } = await quantize(name, 'w8a16');
    const quantized = openQuantized(out);
    const checkpoint = openCheckpoint(openFixture(name).folder);
    for (const role of ['q_proj', 'k_proj', 'v_proj', 'down_proj'] as const) {
      const matrix = quantized.linear(1, role);
      const { weight } = checkpoint.linear(1, role);
      const step = Math.max(...matrix.scales);
      dequantize(matrix).forEach((value, i) => expect(Math.abs(value - weight[i]!)).toBeLessThan(4 * step));
    }
    for (const opened of [quantized, checkpoint]) opened.close();
  });
});

it('refuses GPT-2 before it computes anything, and says why', async () => {
  expect(await rejection(quantize('gpt2', 'w8a8'))).toMatchObject({
    kind: 'config',
    where: 'model_type gpt2: transformer.h.0.attn.c_attn',
    got: 'Conv1D',
  });
});
