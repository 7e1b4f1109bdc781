import { describe, expect, it } from 'vitest';
import { buildTrainingGraph } from '../../src/decoder/training.ts';
import type { TrainingGraphOptions } from '../../src/decoder/training.ts';
import type { LoraOptions } from '../../src/decoder/training-weights.ts';
import { evaluate } from '../support/evaluate.ts';
import { makeBatch, openFixture } from '../support/decoder-fixture.ts';
import type { Batch, DecoderFixture } from '../support/decoder-fixture.ts';
import { DECODERS, FULLY_TRAINED } from '../support/families.ts';

const LENGTH = 16;
const lora: LoraOptions = { r: 4, scaling: 2, dropout: 0, targets: () => true };

function run(fixture: DecoderFixture, batch: Batch, options: Partial<TrainingGraphOptions>) {
  const rows = batch.input_ids.length / LENGTH;
  const { graph } = buildTrainingGraph({
    spec: fixture.checkpoint.spec,
    shape: { batch: rows, length: LENGTH, band: LENGTH, blockSize: 8 },
    targets: batch.target_ids.length,
    matrixDType: 'f32',
    lora: undefined,
    produce: 'loss',
    ...options,
  });
  return evaluate(graph, { ...fixture.weights, ...fixture.adapter, ...batch });
}

function maxDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let worst = 0;
  for (let i = 0; i < actual.length; i++) worst = Math.max(worst, Math.abs(actual[i]! - expected[i]!));
  return worst;
}

/** Largest difference relative to the largest magnitude of the tensor. */
function relativeDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let top = 0;
  for (let i = 0; i < expected.length; i++) top = Math.max(top, Math.abs(expected[i]!));
  return maxDifference(actual, expected) / top;
}

describe.each(DECODERS)('%s against transformers and PEFT', (name) => {
  const fixture = openFixture(name);
  const batch = makeBatch(fixture.tensor('input_ids'), fixture.tensor('labels'), LENGTH);

  it('gives the same logits, without and with the adapter', () => {
    expect(
      maxDifference(run(fixture, batch, { produce: 'logits' })['logits']!.data, fixture.tensor('logits')),
    ).toBeLessThan(1e-4);
    const adapted = run(fixture, batch, { produce: 'logits', lora });
    expect(maxDifference(adapted['logits']!.data, fixture.tensor('lora.logits'))).toBeLessThan(1e-4);
  });

  it('gives the same loss and the same gradient of every LoRA factor', () => {
    expect(run(fixture, batch, {})['loss']!.data[0]! / batch.target_ids.length).toBeCloseTo(fixture.expected.loss, 5);
    const results = run(fixture, batch, { produce: 'gradients', lora, lossChunk: 7 });
    const n = fixture.expected.target_tokens;
    expect(batch.target_ids.length).toBe(n);
    expect(results['loss']!.data[0]! / n).toBeCloseTo(fixture.expected.lora_loss, 5);
    for (const key of Object.keys(fixture.adapter)) {
      const grad = results[`gradient/${key}`]!.data.map((x) => x / n);
      expect(relativeDifference(grad, fixture.tensor(`lora.grad.base_model.model.${key}`)), key).toBeLessThan(1e-4);
    }
  });

  it('keeps packed documents apart', () => {
    const packed = makeBatch(fixture.tensor('packed.input_ids'), fixture.tensor('packed.labels'), LENGTH, [7, 9]);
    const logits = run(fixture, packed, {
      produce: 'logits',
      shape: { batch: 1, length: LENGTH, band: 16, blockSize: 4 },
    });
    expect(maxDifference(logits['logits']!.data, fixture.tensor('packed.logits'))).toBeLessThan(1e-4);
    const loss = run(fixture, packed, { shape: { batch: 1, length: LENGTH, band: 9, blockSize: 4 } })['loss']!.data[0]!;
    expect(loss / packed.target_ids.length).toBeCloseTo(fixture.expected.packed.loss, 5);
  });
});

describe('full training', () => {
  it.each(FULLY_TRAINED)("%s: the gradient of every parameter is torch's", (name) => {
    const fixture = openFixture(name);
    const batch = makeBatch(fixture.tensor('input_ids'), fixture.tensor('labels'), LENGTH);
    const results = run(fixture, batch, { produce: 'gradients' });
    for (const key of Object.keys(fixture.weights)) {
      const grad = results[`gradient/${key}`]!.data.map((x) => x / batch.target_ids.length);
      expect(relativeDifference(grad, fixture.tensor(`grad.${key}`)), key).toBeLessThan(1e-4);
    }
  });

  it.each(['llama-gqa', 'gpt2'])('%s: gives the same gradients when blocks are recomputed', (name) => {
    const fixture = openFixture(name);
    const batch = makeBatch(fixture.tensor('input_ids'), fixture.tensor('labels'), LENGTH);
    const plain = run(fixture, batch, { produce: 'gradients', lora });
    const recomputed = run(fixture, batch, { produce: 'gradients', lora, memory: 'layer' });
    for (const key of Object.keys(fixture.adapter)) {
      expect(maxDifference(recomputed[`gradient/${key}`]!.data, plain[`gradient/${key}`]!.data)).toBe(0);
    }
  });
});
