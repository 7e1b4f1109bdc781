import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { documentStarts } from '../../src/decoder/packed-attention.ts';
import { buildTrainingGraph } from '../../src/decoder/training.ts';
import { createSession } from '../../src/engine/ort/index.ts';
import { buildDecoderOnnx } from '../../src/infer/build.ts';
import { DecoderSession } from '../../src/infer/runner.ts';
import { writeOnnxModel } from '../../src/io/onnx.ts';
import { parseModelConfig } from '../../src/model/config.ts';
import type { DecoderSpec, LinearRole } from '../../src/model/spec.ts';
import { expectedTensors, matrixName } from '../../src/model/tensors.ts';
import { evaluate } from '../support/evaluate.ts';
import { randomData } from '../support/gradients.ts';

const folder = mkdtempSync(join(tmpdir(), 'llmkit-heads-'));
afterAll(() => rmSync(folder, { recursive: true }));

const ids = Int32Array.of(3, 1, 4, 1, 5, 9, 2, 6);

function specOf(headDim: number, more: object = {}): DecoderSpec {
  const config = {
    model_type: 'llama',
    vocab_size: 11,
    hidden_size: 16,
    intermediate_size: 12,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    head_dim: headDim,
    max_position_embeddings: 64,
    rms_norm_eps: 1e-5,
    rope_theta: 100,
    ...more,
  };
  return parseModelConfig(config, 'config.json').spec;
}

function modelOf(spec: DecoderSpec) {
  const weights: Record<string, Float32Array> = {};
  for (const { name, shape } of expectedTensors(spec))
    weights[name] = randomData(shape, Object.keys(weights).length, 0.5);
  const module = (layer: number, role: LinearRole): string => matrixName(spec, layer, role).module;
  const onnx = buildDecoderOnnx({
    spec,
    tensor: (name) => weights[name]!,
    linear: (layer, role) => weights[`${module(layer, role)}.weight`]!,
    bias: (layer, role) => weights[`${module(layer, role)}.bias`]!,
  });
  return { weights, onnx };
}

/** Logits of every position as the training graph computes them in float64. */
function reference(spec: DecoderSpec, weights: Record<string, Float32Array>): Float64Array {
  const length = ids.length;
  const shape = { batch: 1, length, band: length, blockSize: length };
  const { graph } = buildTrainingGraph({
    spec,
    shape,
    targets: 1,
    matrixDType: 'f32',
    lora: undefined,
    produce: 'logits',
  });
  const starts = new Int32Array(length);
  documentStarts([length], starts);
  return evaluate(graph, { ...weights, input_ids: ids, document_starts: starts })['logits']!.data as Float64Array;
}

/** As the inference graph does, the first three at once and the rest one by one. */
async function inferred(spec: DecoderSpec, onnx: ReturnType<typeof modelOf>['onnx']): Promise<number[]> {
  const path = join(folder, 'model.onnx');
  writeOnnxModel(path, onnx);
  const { maxPositions: contextLength, position } = spec;
  const options = { contextLength, position, initialCapacity: 4 };
  const session = new DecoderSession(createSession(path, { threads: 1 }), options);
  const logits: number[] = [];
  const onLogits = (part: Float32Array): void => void logits.push(...part);
  await session.prefill(ids.subarray(0, 3), { logitsFrom: 0, onLogits });
  for (const id of ids.subarray(3)) logits.push(...session.step(id));
  session.dispose();
  return logits;
}

describe('inference computes what training does', () => {
  it.each([2, 4, 8, 12, 16, 20, 32])('with heads of %i dimensions', async (headDim) => {
    const spec = specOf(headDim);
    const { weights, onnx } = modelOf(spec);
    const actual = await inferred(spec, onnx);
    reference(spec, weights).forEach((value, i) => expect(actual[i]).toBeCloseTo(value, 4));
  });

  it.each([
    [32, 16],
    [32, 8],
    [12, 4],
  ])('with heads of %i dimensions of which %i turn', async (headDim, dim) => {
    const spec = specOf(headDim);
    if (spec.position.kind === 'rotary') spec.position.dim = dim;
    const { weights, onnx } = modelOf(spec);
    const actual = await inferred(spec, onnx);
    reference(spec, weights).forEach((value, i) => expect(actual[i]).toBeCloseTo(value, 4));
  });
});

it('keeps no table of a long context in the model', () => {
  const bytes = (headDim: number, positions: number): number =>
    modelOf(specOf(headDim, { max_position_embeddings: positions })).onnx.initializers.reduce(
      (sum, { dims }) => sum + 4 * dims.reduce((product, dim) => product * dim, 1),
      0,
    );
  for (const headDim of [8, 16]) expect(bytes(headDim, 1_000_000)).toBe(bytes(headDim, 64));
});
