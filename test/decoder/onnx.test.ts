import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createSession, ortTensor } from '../../src/engine/ort/index.ts';
import { Graph, input, lowerToOnnx, parameter, quantizedLinear } from '../../src/graph/index.ts';
import type { OnnxData } from '../../src/graph/onnx-graph.ts';
import { buildDecoderOnnx } from '../../src/infer/build.ts';
import type { DecoderSource, MatrixCodes } from '../../src/infer/build.ts';
import { DecoderSession } from '../../src/infer/runner.ts';
import type { DecoderOptions } from '../../src/infer/runner.ts';
import { writeOnnxModel } from '../../src/io/onnx.ts';
import { randomData } from '../support/gradients.ts';
import { openFixture } from '../support/decoder-fixture.ts';
import type { DecoderFixture } from '../support/decoder-fixture.ts';
import { DECODERS } from '../support/families.ts';

const folder = mkdtempSync(join(tmpdir(), 'llmkit-onnx-'));
afterAll(() => rmSync(folder, { recursive: true }));

function source(fixture: DecoderFixture): DecoderSource {
  const { checkpoint } = fixture;
  return {
    spec: checkpoint.spec,
    tensor: (name) => fixture.weights[name]!,
    linear: (layer, role) => checkpoint.linear(layer, role).weight,
    bias: (layer, role) => checkpoint.linear(layer, role).bias!,
  };
}

let count = 0;
function open(decoder: DecoderSource, options: Partial<DecoderOptions> = {}): DecoderSession {
  const path = join(folder, `model-${count++}.onnx`);
  writeOnnxModel(path, buildDecoderOnnx(decoder));
  const { maxPositions: contextLength, position } = decoder.spec;
  return new DecoderSession(createSession(path, { threads: 1 }), { contextLength, position, ...options });
}

/** Logits of every position of one row, through the cache in two goes. */
async function allLogits(session: DecoderSession, ids: Int32Array): Promise<Float32Array> {
  const logits = new Float32Array(ids.length * session.vocabSize);
  const onLogits = (part: Float32Array, first: number, rows: number): void =>
    logits.set(part.subarray(0, rows * session.vocabSize), first * session.vocabSize);
  await session.prefill(ids, { logitsFrom: 0, onLogits, reuse: false });
  return logits;
}

function worst(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  return Array.from(actual).reduce((top, value, i) => Math.max(top, Math.abs(value - expected[i]!)), 0);
}

describe.each(DECODERS)('%s as ONNX', (name) => {
  const fixture = openFixture(name);
  const row = Int32Array.from(fixture.tensor('input_ids').subarray(0, 16));
  const vocab = fixture.checkpoint.spec.vocabSize;

  it("gives transformers' logits", async () => {
    const logits = await allLogits(open(source(fixture)), row);
    expect(worst(logits, fixture.tensor('logits').subarray(0, 16 * vocab))).toBeLessThan(1e-4);
  });

  it('gives the same logits token by token as at once', async () => {
    // The cache grows on the way, and with it the tables of positions.
    const session = open(source(fixture), { initialCapacity: 4 });
    await session.prefill(row.subarray(0, 3));
    for (let i = 3; i < 16; i++) {
      const expected = fixture.tensor('logits').subarray(i * vocab, (i + 1) * vocab);
      expect(worst(session.step(row[i]!), expected), `position ${i}`).toBeLessThan(1e-4);
    }
  });
});

function quantize(weight: Float32Array, columns: number, groupSize: number | undefined): MatrixCodes {
  const width = groupSize ?? columns;
  const scales = new Float32Array(weight.length / width);
  const codes = new Int8Array(weight.length);
  for (let group = 0; group < scales.length; group++) {
    const part = weight.subarray(group * width, (group + 1) * width);
    scales[group] = part.reduce((top, x) => Math.max(top, Math.abs(x)), 1e-8) / 127;
    part.forEach((x, i) => (codes[group * width + i] = Math.round(x / scales[group]!)));
  }
  return { rows: weight.length / columns, columns, codes, scales, groupSize };
}

function dequantize({ codes, scales, columns, groupSize }: MatrixCodes): Float32Array {
  return Float32Array.from(codes, (code, i) => code * scales[Math.floor(i / (groupSize ?? columns))]!);
}

describe.each([
  ['w8a8', 'llama-gqa', undefined],
  ['w8a8', 'llama-gqa-tied', undefined],
  ['w8a16', 'llama-gqa', 16],
  ['w8a16', 'llama-gqa-tied', 16],
] as const)('%s of %s', (scheme, name, groupSize) => {
  it('stays near an f32 model with the dequantized weights', async () => {
    const fixture = openFixture(name);
    const plain = source(fixture);
    const { spec } = plain;
    const columnsOf = (role: string): number => (role === 'down_proj' ? 48 : 32);
    const headName = `${spec.names.head ?? spec.names.embedding}.weight`;
    const head = quantize(fixture.weights[headName]!, 32, undefined);
    const codes: NonNullable<DecoderSource['quantized']>['linear'] = (layer, role) =>
      quantize(plain.linear(layer, role), columnsOf(role), groupSize);
    const quantized = open({
      ...plain,
      quantized: { scheme, groupSize: groupSize ?? 0, head: () => head, linear: codes },
    });
    const reference = open({
      ...plain,
      tensor: (key) => (key === headName ? dequantize(head) : plain.tensor(key)),
      linear: (layer, role) => dequantize(codes(layer, role)),
    });
    const row = Int32Array.from(fixture.tensor('input_ids').subarray(0, 16));
    const [actual, expected] = [await allLogits(quantized, row), await allLogits(reference, row)];
    // What is left is the rounding of activations to 8 bits, through two layers of random weights.
    const squared = (values: Float32Array): number => values.reduce((sum, x) => sum + x * x, 0);
    expect(Math.sqrt(squared(actual.map((x, i) => x - expected[i]!)) / squared(expected))).toBeLessThan(0.06);
  });
});

describe('quantized linear layers', () => {
  const [rows, columns, out] = [3, 32, 5];
  const x = randomData([rows, columns], 1);
  const codes = Int8Array.from(randomData([out, columns], 2, 40), Math.round);

  function run(scheme: 'w8a8' | 'w8a16', weights: Record<string, OnnxData>): Float32Array {
    const graph = new Graph();
    const shapes =
      scheme === 'w8a8' ? { codes: [columns, out], scales: [out] } : { codes: [out, 2, 16], scales: [out, 2] };
    const value = input(graph, 'x', ['batch', 'sequence', columns], 'f32');
    const matrix = parameter(graph, 'codes', shapes.codes, scheme === 'w8a8' ? 'i8' : 'u8');
    const scale = parameter(graph, 'scales', shapes.scales);
    graph.output('y', quantizedLinear(value, matrix, scale, undefined, { scheme, groupSize: 16 }));
    const path = join(folder, `linear-${scheme}.onnx`);
    writeOnnxModel(
      path,
      lowerToOnnx(graph, (name) => weights[name]!),
    );
    const session = createSession(path, { threads: 1 });
    return Float32Array.from(session.run({ x: ortTensor(x, [1, rows, columns]) }, ['y'])['y']!.data as Float32Array);
  }

  it('w8a8 is the arithmetic of per-token int8, exactly', () => {
    const scales = randomData([out], 3).map((s) => Math.abs(s) / 50);
    const transposed = Int8Array.from(
      { length: codes.length },
      (_, i) => codes[(i % out) * columns + Math.floor(i / out)]!,
    );
    const y = run('w8a8', { codes: transposed, scales });
    for (let row = 0; row < rows; row++) {
      const values = x.subarray(row * columns, (row + 1) * columns);
      const scale = Math.fround(values.reduce((top, v) => Math.max(top, Math.abs(v)), 0) * Math.fround(1 / 127));
      for (let column = 0; column < out; column++) {
        let total = 0;
        values.forEach((v, i) => (total += Math.round(v / scale) * codes[column * columns + i]!));
        expect(y[row * out + column]!).toBeCloseTo(total * scale * scales[column]!, 4);
      }
    }
  });

  it('w8a16 is the product with the dequantized weights, to within 8-bit activations', () => {
    const scales = randomData([out, 2], 3).map((s) => Math.abs(s) / 50);
    const y = run('w8a16', { codes: Uint8Array.from(codes, (code) => code + 128), scales });
    for (let i = 0; i < y.length; i++) {
      const [row, column] = [Math.floor(i / out), i % out];
      let [total, magnitude] = [0, 0];
      for (let k = 0; k < columns; k++) {
        const term = x[row * columns + k]! * codes[column * columns + k]! * scales[column * 2 + Math.floor(k / 16)]!;
        total += term;
        magnitude += Math.abs(term);
      }
      expect(Math.abs(y[i]! - total) / magnitude).toBeLessThan(0.01);
    }
  });
});
