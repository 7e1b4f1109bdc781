import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from '../../src/core/half.ts';
import {
  dequantize,
  encode,
  findScale,
  roundHalfEven,
  roundToNearest,
  roundUpToHalf,
  scaleOf,
} from '../../src/quant/grid.ts';

describe('the int8 grid', () => {
  it('rounds ties to even', () => {
    expect([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 126.5].map(roundHalfEven)).toEqual([-2, -2, 0, 0, 2, 2, 126]);
  });

  it('covers [-absmax, absmax] with codes from -128 to 127', () => {
    expect(scaleOf(3, 'float32')).toBe(Math.fround(6 / 255));
    // A scale that is a power of two, so that the ends are exactly half a step beyond the last codes.
    const scale = scaleOf(127.5 / 128, 'float32');
    expect(scale).toBe(1 / 128);
    expect(encode(-127.5 / 128, scale)).toBe(-128);
    expect(encode(127.5 / 128, scale)).toBe(127);
    expect(encode(0, scale)).toBe(0);
    expect(encode(1e9, scale)).toBe(127);
    expect(encode(-1e9, scale)).toBe(-128);
  });

  it('has half scales that float16 and bfloat16 hold exactly, at most 1/128 above the exact one', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-7, max: 60_000, noNaN: true }), (x) => {
        const half = roundUpToHalf(x);
        expect(half).toBeGreaterThanOrEqual(x);
        expect(half - x).toBeLessThan(Math.max(x / 128, 2 ** -24));
        expect(f16ToF32(f32ToF16(Float32Array.of(half)))[0]).toBe(half);
        expect(bf16ToF32(f32ToBf16(Float32Array.of(half)))[0]).toBe(half);
      }),
    );
    expect(() => roundUpToHalf(1e6)).toThrow(/beyond float16/);
    expect(() => roundUpToHalf(Number.NaN)).toThrow(/beyond float16/);
  });

  it('errs by at most half a step within the range it covers', () => {
    fc.assert(
      fc.property(fc.float32Array({ minLength: 64, maxLength: 64, min: -8, max: 8, noNaN: true }), (weight) => {
        const matrix = roundToNearest(weight, 2, 32, { groupSize: 16, scaleFormat: 'half', mse: false });
        const back = dequantize(matrix);
        for (let i = 0; i < 64; i++) {
          // The largest positive weight falls half a step beyond code 127.
          expect(Math.abs(back[i]! - weight[i]!)).toBeLessThanOrEqual(
            0.5 * matrix.scales[Math.floor(i / 16)]! * (1 + 1e-6) + 1e-12,
          );
        }
      }),
    );
  });

  it('gives a group of one sign its full range', () => {
    const values = Float32Array.of(0.1, 0.5, 1, 0.2);
    const scale = findScale(values, 0, 4, { groupSize: undefined, scaleFormat: 'float32', mse: false });
    expect(encode(1, scale) * scale).toBeCloseTo(1, 2);
  });

  it('clips an outlier when asked to lose least', () => {
    const values = new Float32Array(256).map((_, i) => Math.sin(i) * 0.01);
    values[0] = 1;
    const options = { groupSize: undefined, scaleFormat: 'float32', mse: true } as const;
    const cover = findScale(values, 0, 256, { ...options, mse: false });
    const best = findScale(values, 0, 256, options);
    const loss = (scale: number): number =>
      values.reduce((sum, v) => sum + Math.abs(v - encode(v, scale) * scale) ** 2.4, 0);
    expect(loss(best)).toBeLessThanOrEqual(loss(cover));
    expect(
      findScale(
        values.map((v) => v * 0),
        0,
        256,
        options,
      ),
    ).toBe(1);
  });

  it('refuses weights that are not finite', () => {
    expect(() =>
      roundToNearest(Float32Array.of(1, Number.NaN), 1, 2, { groupSize: undefined, scaleFormat: 'half', mse: false }),
    ).toThrow(/not finite/);
  });
});
