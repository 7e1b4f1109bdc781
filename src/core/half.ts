/**
 * 16-bit floats as their bits in a Uint16Array. bf16 is the upper half of a float32 (8 exponent bits, 7 of fraction);
 * f16 is IEEE 754 binary16 (5 and 10). All roundings are to nearest, ties to even; NaN stays NaN; signs are kept.
 */

/** float32 [n] to bf16 bits [n]; values beyond bf16's largest become infinite. */
export function f32ToBf16(src: Float32Array, out: Uint16Array = new Uint16Array(src.length)): Uint16Array {
  const bits = new Uint32Array(src.buffer, src.byteOffset, src.length);
  for (let i = 0; i < bits.length; i++) {
    const x = bits[i]!;
    // A NaN whose payload lies in the lower half would round to infinity: set the quiet bit instead.
    out[i] = (x & 0x7fffffff) > 0x7f800000 ? (x >>> 16) | 0x40 : (x + 0x7fff + ((x >>> 16) & 1)) >>> 16;
  }
  return out;
}

/** bf16 bits [n] to float32 [n], exactly. */
export function bf16ToF32(src: Uint16Array, out: Float32Array = new Float32Array(src.length)): Float32Array {
  const bits = new Uint32Array(out.buffer, out.byteOffset, src.length);
  for (let i = 0; i < src.length; i++) bits[i] = src[i]! << 16;
  return out;
}

/** float32 [n] to f16 bits [n]: subnormals are kept, values that round past 65504 become infinite. */
export function f32ToF16(src: Float32Array, out: Uint16Array = new Uint16Array(src.length)): Uint16Array {
  const bits = new Uint32Array(src.buffer, src.byteOffset, src.length);
  for (let i = 0; i < bits.length; i++) out[i] = f16Bits(bits[i]!);
  return out;
}

function f16Bits(x: number): number {
  const sign = (x >>> 16) & 0x8000;
  const magnitude = x & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff);
  // 65520 is half way from 65504 to the next step, which does not exist.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    const rebased = magnitude - 0x38000000;
    return sign | ((rebased + 0xfff + ((rebased >>> 13) & 1)) >>> 13);
  }
  // Below 2^-14 an f16 counts in steps of 2^-24. At 2^-25 or less it rounds to zero.
  if (magnitude <= 0x33000000) return sign;
  const fraction = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - (magnitude >>> 23);
  const half = 2 ** (shift - 1);
  const kept = fraction >>> shift;
  const rest = fraction - kept * 2 ** shift;
  const up = rest > half || (rest === half && (kept & 1) === 1);
  return sign | (kept + (up ? 1 : 0));
}

let f16Table: Float32Array | undefined;

/** f16 bits [n] to float32 [n], exactly. The first call fills a table of all 65,536 values (256 KiB). */
export function f16ToF32(src: Uint16Array, out: Float32Array = new Float32Array(src.length)): Float32Array {
  f16Table ??= makeF16Table();
  // Copied as bits: a float assignment may change the payload of a NaN.
  const table = new Uint32Array(f16Table.buffer);
  const bits = new Uint32Array(out.buffer, out.byteOffset, src.length);
  for (let i = 0; i < src.length; i++) bits[i] = table[src[i]!]!;
  return out;
}

function makeF16Table(): Float32Array {
  const table = new Float32Array(65536);
  const bits = new Uint32Array(table.buffer);
  for (let x = 0; x < 65536; x++) {
    const exponent = (x >>> 10) & 31;
    const fraction = x & 0x3ff;
    if (exponent === 0) table[x] = (x & 0x8000 ? -1 : 1) * fraction * 2 ** -24;
    else bits[x] = ((x & 0x8000) << 16) | ((exponent === 31 ? 255 : exponent + 112) << 23) | (fraction << 13);
  }
  return table;
}
