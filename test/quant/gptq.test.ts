import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { LlmkitError } from '../../src/core/errors.ts';
import { openSafetensors } from '../../src/io/safetensors.ts';
import { factorHessian, gptq as gptqFactored } from '../../src/quant/gptq.ts';
import type { GptqOptions, GptqResult } from '../../src/quant/gptq.ts';
import { dequantize, reconstructionErrors, roundToNearest } from '../../src/quant/grid.ts';
import type { QuantizedMatrix } from '../../src/quant/grid.ts';

/** Made by test/golden/quant/gptq.py: the published algorithm in torch, in float32 and float64. */
const golden = openSafetensors(fileURLToPath(new URL('../golden/quant/gptq.safetensors', import.meta.url)));
afterAll(() => golden.close());

const [rows, columns] = golden.tensors.get('weight')!.shape as [number, number];
const weight = golden.readF32('weight');
const x = golden.readF32('x');
const samples = x.length / columns;

/** (2 / n) X^T X in float64. */
function hessianOf(x: Float32Array, samples: number): Float64Array {
  const h = new Float64Array(columns * columns);
  for (let s = 0; s < samples; s++)
    for (let i = 0; i < columns; i++)
      for (let j = 0; j < columns; j++)
        h[i * columns + j]! += (2 / samples) * x[s * columns + i]! * x[s * columns + j]!;
  return h;
}
const hessian = hessianOf(x, samples);

function gptq(weight: Float32Array, rows: number, columns: number, h: Float64Array, options: GptqOptions): GptqResult {
  return gptqFactored(weight, rows, factorHessian(h, columns, options), options);
}

function reconstructionError(weight: Float32Array, matrix: QuantizedMatrix, h: Float64Array): number {
  return reconstructionErrors(weight, [matrix], h)[0]!;
}

const defaults: GptqOptions = {
  groupSize: undefined,
  scaleFormat: 'float32',
  mse: false,
  blockSize: 128,
  percdamp: 0.01,
  actorder: 'none',
};

function int8(name: string): Int8Array {
  const bytes = golden.read(name);
  return new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

describe('gptq equals the published algorithm', () => {
  const cases: [string, Partial<GptqOptions>][] = [
    ['channel', {}],
    ['channel_half', { scaleFormat: 'half' }],
    ['channel_actorder', { actorder: 'static' }],
    ['group32', { groupSize: 32, scaleFormat: 'half' }],
    ['group32_actorder', { groupSize: 32, scaleFormat: 'half', actorder: 'static' }],
  ];
  it.each(cases)('%s', (name, options) => {
    const { matrix, method, deadColumns, note } = gptq(weight, rows, columns, hessian, { ...defaults, ...options });
    expect({ method, deadColumns, note }).toEqual({ method: 'gptq', deadColumns: 1, note: undefined });

    // In float64 the arithmetic is the same up to the order of sums: every code is.
    expect(Array.from(matrix.scales)).toEqual(Array.from(golden.readF32(`${name}.f64.scales`)));
    expect(Array.from(matrix.codes)).toEqual(Array.from(int8(`${name}.f64.codes`)));

    // In float32 a near-tie may fall the other way (none does in the fixture as committed).
    const single = int8(`${name}.f32.codes`);
    let different = 0;
    for (let i = 0; i < single.length; i++) if (single[i] !== matrix.codes[i]) different++;
    expect(different / single.length).toBeLessThan(1e-3);

    const error = reconstructionError(weight, matrix, hessian);
    expect(Math.abs(error / golden.readF32(`${name}.f64.error`)[0]! - 1)).toBeLessThan(1e-4);
    const singleError = golden.readF32(`${name}.f32.error`)[0]!;
    expect(Math.abs(error - singleError)).toBeLessThan(1e-4 * Math.max(1, singleError));
  });

  it.each([32, 64, 192, 1024])('whatever the block size (%i)', (blockSize) => {
    const reference = gptq(weight, rows, columns, hessian, defaults);
    const other = gptq(weight, rows, columns, hessian, { ...defaults, blockSize });
    expect(other.matrix.codes).toEqual(reference.matrix.codes);
  });
});

describe('gptq', () => {
  it('loses less of the output than rounding to nearest', () => {
    for (const groupSize of [undefined, 32]) {
      const options = { ...defaults, groupSize };
      const compensated = reconstructionError(weight, gptq(weight, rows, columns, hessian, options).matrix, hessian);
      const rounded = reconstructionError(weight, roundToNearest(weight, rows, columns, options), hessian);
      expect(compensated).toBeLessThan(0.8 * rounded);
    }
  });

  it('changes neither weights nor Hessian', () => {
    const before = [weight.slice(), hessian.slice()];
    gptq(weight, rows, columns, hessian, defaults);
    expect([weight, hessian]).toEqual(before);
  });

  it('quantizes from fewer samples than features, where the Hessian is singular', () => {
    const few = hessianOf(x, 5);
    const { method, matrix } = gptq(weight, rows, columns, few, defaults);
    expect(method).toBe('gptq');
    expect(reconstructionError(weight, matrix, few)).toBeLessThan(
      reconstructionError(weight, roundToNearest(weight, rows, columns, defaults), few),
    );
  });

  it('raises the damping, and says so, when the Hessian is indefinite', () => {
    const h = hessian.slice();
    // Two features correlated a little beyond 1, as sums in low precision leave them.
    const diagonal = Math.sqrt(h[0]! * h[columns + 1]!);
    h[1] = h[columns] = diagonal * 1.5;
    const result = gptq(weight, rows, columns, h, defaults);
    expect(result.method).toBe('gptq');
    expect(result.damping).toBeGreaterThan(0.01);
    expect(result.note).toMatch(/damping raised from 0.01/);
  });

  it('lifts the diagonal when damping below 1 is not enough, then rounds to nearest, and says which', () => {
    const h = new Float64Array(columns * columns);
    for (let i = 0; i < columns; i++) h[i * columns + i] = 1;
    h[1] = h[columns] = 1.9995;
    expect(gptq(weight, rows, columns, h, defaults)).toMatchObject({
      method: 'gptq',
      damping: 1,
      note: expect.stringMatching(/lifted/),
    });
    h[1] = h[columns] = 100;
    const last = gptq(weight, rows, columns, h, defaults);
    expect(last).toMatchObject({ method: 'rtn', note: expect.stringMatching(/rounded to nearest/) });
    expect(last.matrix).toEqual(roundToNearest(weight, rows, columns, defaults));
  });

  it('refuses activations and weights that are not finite', () => {
    const h = hessian.slice();
    h[5 * columns + 5] = Number.NaN;
    expect(() => gptq(weight, rows, columns, h, defaults)).toThrow(/activations are not finite/);
    const w = weight.slice();
    w[7] = Infinity;
    expect(() => gptq(w, rows, columns, hessian, defaults)).toThrow(LlmkitError);
  });

  it('refuses groups that do not tile the row or the block', () => {
    expect(() => gptq(weight, rows, columns, hessian, { ...defaults, groupSize: 36 })).toThrow(
      /do not divide into groups/,
    );
    expect(() => gptq(weight, rows, columns, hessian, { ...defaults, groupSize: 96 })).toThrow(/whole groups/);
  });

  it('keeps a weight of zeros at zero', () => {
    const { matrix } = gptq(new Float32Array(rows * columns), rows, columns, hessian, defaults);
    expect(dequantize(matrix).every((value) => value === 0)).toBe(true);
  });
});
