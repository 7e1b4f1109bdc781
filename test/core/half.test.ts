import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from '../../src/core/half.ts';

interface Fixture {
  f32: number[];
  bf16: number[];
  f16: number[];
}
const path = new URL('../golden/core/half.json.gz', import.meta.url);
const fixture = JSON.parse(gunzipSync(readFileSync(path)).toString()) as Fixture;
const source = new Float32Array(Uint32Array.from(fixture.f32).buffer);
const everyHalf = Uint16Array.from({ length: 65536 }, (_, i) => i);

const quiet = (bits: number): number => ((bits & 0x7fff) > 0x7f80 ? bits | 0x40 : bits);

describe('16-bit floats', () => {
  test('round to bf16 as PyTorch does', () => {
    expect([...f32ToBf16(source)]).toEqual(fixture.bf16);
  });

  test('round to f16 as PyTorch does, subnormals, ties and overflow included', () => {
    expect([...f32ToF16(source)]).toEqual(fixture.f16);
  });

  test('every f16 that is a number survives the way to f32 and back, bit by bit', () => {
    const back = f32ToF16(f16ToF32(everyHalf));
    expect(back.findIndex((bits, i) => bits !== i && (i & 0x7fff) <= 0x7c00)).toBe(-1);
  });

  test('every bf16 survives the way to f32 and back, a signalling NaN as a quiet one', () => {
    const back = f32ToBf16(bf16ToF32(everyHalf));
    expect(back.findIndex((bits, i) => bits !== quiet(i))).toBe(-1);
  });

  test('a NaN stays a NaN, also when its payload lies only in the bits that are cut off', () => {
    const nan = new Float32Array(Uint32Array.of(0x7f800001, 0xff800001, 0x7fffffff).buffer);
    expect([...bf16ToF32(f32ToBf16(nan))]).toEqual([NaN, NaN, NaN]);
    expect([...f16ToF32(f32ToF16(nan))]).toEqual([NaN, NaN, NaN]);
  });

  test('a view into the middle of a buffer converts its own part, into the array given', () => {
    const whole = Float32Array.of(1, 2, 3, 4);
    const out = new Float32Array(4);
    bf16ToF32(f32ToBf16(whole.subarray(1, 3)), out.subarray(2));
    expect([...out]).toEqual([0, 0, 2, 3]);
  });
});
