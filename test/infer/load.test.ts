import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type OpenedModel, openModel, type OpenModelOptions } from '../../src/infer/load.ts';
import { describeFile, writeManifest } from '../../src/io/manifest.ts';
import { openSafetensors } from '../../src/io/safetensors.ts';
import { DECODER_FIXTURES, openFixture } from '../support/decoder-fixture.ts';
import { maxDifference } from './tiny.ts';

const quantizedFixtures = fileURLToPath(new URL('../golden/quant/', import.meta.url));

let dir: string;
const opened: OpenedModel[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-load-'));
});
afterEach(() => {
  for (const model of opened.splice(0)) model.dispose();
  rmSync(dir, { recursive: true, force: true });
});

async function open(folder: string, options: OpenModelOptions = {}): Promise<OpenedModel> {
  const model = await openModel(folder, { threads: 1, cacheDir: join(dir, 'cache'), ...options });
  opened.push(model);
  return model;
}

async function logitsOf({ session }: OpenedModel, ids: ArrayLike<number>): Promise<Float32Array> {
  const all = new Float32Array(ids.length * session.vocabSize);
  const onLogits = (part: Float32Array, first: number): void => all.set(part, first * session.vocabSize);
  await session.prefill(ids, { logitsFrom: 0, reuse: false, onLogits });
  return all;
}

describe('opening a model', () => {
  it("gives transformers' logits for a checkpoint, and PEFT's with an adapter", async () => {
    const fixture = openFixture('llama-gqa-tied');
    const row = fixture.tensor('input_ids').subarray(0, 16);
    const size = 16 * fixture.checkpoint.spec.vocabSize;
    const plain = await logitsOf(await open(fixture.folder), row);
    expect(maxDifference(plain, fixture.tensor('logits').subarray(0, size))).toBeLessThan(1e-4);
    const adapted = await logitsOf(await open(fixture.folder, { adapter: join(fixture.folder, 'adapter') }), row);
    expect(maxDifference(adapted, fixture.tensor('lora.logits').subarray(0, size))).toBeLessThan(1e-4);
    expect(maxDifference(adapted, plain)).toBeGreaterThan(0.1);
  });

  it('computes the same from the mapped file', async () => {
    const { folder } = openFixture('llama-gqa');
    const ids = [3, 1, 4, 1, 5, 9];
    const mapped = await logitsOf(await open(folder, { mapped: true }), ids);
    expect(maxDifference(mapped, await logitsOf(await open(folder), ids))).toBeLessThan(1e-5);
  });

  it.each(['int-quantized', 'pack-quantized'])('gives the logits that transformers has of a %s model', async (name) => {
    const folder = join(quantizedFixtures, name);
    const file = openSafetensors(join(folder, 'expected.safetensors'));
    const row = openFixture('llama-gqa').tensor('input_ids').subarray(0, 16);
    const expected = file.readF32('logits').subarray(0, 16 * 96);
    file.close();
    const model = await open(folder);
    expect(model.quantized).toBe(true);
    const actual = await logitsOf(model, row);
    // The library rounds activations per token to absmax / 127.5 (int-quantized) or not at all (pack-quantized); llmkit
    // rounds them per token to absmax / 127, or per block of 16 inside MatMulNBits. The library's own rounding moves these
    // logits of a model 32 wide by 0.02 to 0.04 from the unquantized ones.
    const squared = (values: Float32Array): number => values.reduce((sum, x) => sum + x * x, 0);
    const error = actual.map((x, i) => x - expected[i]!);
    expect(Math.sqrt(squared(error) / squared(expected))).toBeLessThan(0.05);
  });

  it('refuses an adapter on a quantized model', async () => {
    const adapter = join(DECODER_FIXTURES, 'llama-gqa', 'adapter');
    await expect(open(join(quantizedFixtures, 'int-quantized'), { adapter })).rejects.toMatchObject({ kind: 'usage' });
  });

  it('refuses an adapter that was trained on another base', async () => {
    const { folder } = openFixture('llama-gqa');
    const adapter = join(dir, 'adapter');
    cpSync(join(folder, 'adapter'), adapter, { recursive: true });
    const weights = describeFile(join(folder, 'model.safetensors'));
    const manifest = { command: 'finetune', config: {}, outputs: [], seed: 1, versions: {} };
    writeManifest(adapter, { ...manifest, inputs: [{ ...weights, sha256: '0'.repeat(64) }] });
    await expect(open(folder, { adapter })).rejects.toMatchObject({
      kind: 'data',
      message: 'the adapter was trained on another base',
      where: weights.path,
    });
    writeManifest(adapter, { ...manifest, inputs: [weights] });
    expect((await open(folder, { adapter })).onnx.reused).toBe(false);
  });

  it('makes the ONNX model once, and again when a file of the folder changes, keeping one', async () => {
    const folder = join(dir, 'model');
    cpSync(openFixture('llama-gqa').folder, folder, { recursive: true });
    expect((await open(folder)).onnx.reused).toBe(false);
    const again = await open(folder);
    expect(again.onnx).toMatchObject({ reused: true, buildMs: 0 });
    utimesSync(join(folder, 'model.safetensors'), 1, 1);
    const changed = await open(folder);
    expect(changed.onnx.reused).toBe(false);
    expect(readdirSync(join(dir, 'cache'))).toHaveLength(1);
    // The base and the base with an adapter are two models.
    await open(folder, { adapter: join(folder, 'adapter') });
    expect(readdirSync(join(dir, 'cache'))).toHaveLength(2);
    // Models of folders that are gone go too.
    rmSync(folder, { recursive: true });
    await open(openFixture('llama-gqa').folder);
    expect(readdirSync(join(dir, 'cache'))).toHaveLength(1);
  });

  it('leaves nothing behind when the weights are cut short', async () => {
    const folder = join(dir, 'model');
    cpSync(openFixture('llama-gqa').folder, folder, { recursive: true });
    const weights = readFileSync(join(folder, 'model.safetensors'));
    writeFileSync(join(folder, 'model.safetensors'), weights.subarray(0, weights.length - 100));
    await expect(open(folder)).rejects.toMatchObject({ kind: 'data' });
    await expect(open(join(dir, 'absent'))).rejects.toMatchObject({ kind: 'io' });
  });
});
