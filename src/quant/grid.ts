import { LlmkitError } from '../core/errors.ts';
import { dot } from '../core/linalg.ts';

/**
 * A matrix on symmetric int8 grids: W[i, j] is approximately codes[i, j] * scales[i, floor(j / groupSize)].
 * One scale a row ("channel") is a single group as long as the row.
 */
export interface QuantizedMatrix {
  /** Output features. */
  rows: number;
  /** Input features. */
  columns: number;
  /** [rows, columns], row-major, from -128 to 127. */
  codes: Int8Array;
  /** [rows, columns / groupSize], row-major. */
  scales: Float32Array;
  /** Columns that share a scale; equal to `columns` for one scale a row. */
  groupSize: number;
}

/**
 * Which numbers a scale may be. `half`: only those that float16 and bfloat16 both hold, so that every format and every
 * loader reads the very scale the codes were chosen for. `float32`: no such limit (the published algorithm).
 */
export type ScaleFormat = 'half' | 'float32';

export interface GridOptions {
  /** Columns that share a scale; undefined for one scale a row. */
  groupSize: number | undefined;
  scaleFormat: ScaleFormat;
  /** Search for the clipping that loses least, instead of covering the largest weight. */
  mse: boolean;
}

/** Throws unless the groups tile the row. */
export function checkGroups(columns: number, groupSize: number | undefined, where: string): number {
  const size = groupSize ?? columns;
  if (columns % size !== 0) {
    throw new LlmkitError('config', `${columns} input features do not divide into groups of ${size}`, {
      where,
      hint: 'use scheme w8a8, which has one scale for each output feature',
    });
  }
  return size;
}

/** Nearest integer, ties to even, as torch.round and IEEE 754 do. Exact for |x| < 2^51. */
export function roundHalfEven(x: number): number {
  const magic = 6_755_399_441_055_744; // 1.5 * 2^52: beyond it a double has no fraction left
  return x + magic - magic;
}

/** The code of `value` on the grid: round(value / scale), clamped to int8. */
export function encode(value: number, scale: number): number {
  const code = roundHalfEven(value / scale);
  return code < -128 ? -128 : code > 127 ? 127 : code;
}

/**
 * The scale that spreads [-absmax, absmax] over the 256 codes: 2 absmax / 255, as GPTQ and compressed-tensors define it.
 * A row of zeros gets 1, since any scale serves it.
 */
export function scaleOf(absmax: number, format: ScaleFormat): number {
  if (absmax === 0) return 1;
  const scale = absmax / 127.5;
  return format === 'half' ? roundUpToHalf(scale) : Math.fround(scale);
}

/** The smallest number at or above x > 0 with at most 8 significant bits that is also a float16. */
export function roundUpToHalf(x: number): number {
  if (!(x <= 65_280)) {
    throw new LlmkitError('data', `a weight scale of ${x} is beyond float16`, {
      hint: 'the checkpoint holds weights that are not finite or absurdly large',
    });
  }
  // 8 bits for bfloat16; below 2^-14 a float16 is a multiple of 2^-24.
  const step = Math.max(2 ** (Math.floor(Math.log2(x)) - 7), 2 ** -24);
  return Math.ceil(x / step) * step;
}

/** The largest magnitude in values[offset, offset + length). */
export function absoluteMaximum(values: Float32Array | Float64Array, offset: number, length: number): number {
  let largest = 0;
  for (let i = offset; i < offset + length; i++) {
    const magnitude = Math.abs(values[i]!);
    // Written so that NaN wins and is seen.
    if (!(magnitude <= largest)) largest = magnitude;
  }
  return largest;
}

/** The scale for values[offset, offset + length): covering the largest, or with `mse` the clipped one that loses least. */
export function findScale(
  values: Float32Array | Float64Array,
  offset: number,
  length: number,
  options: GridOptions,
): number {
  const absmax = absoluteMaximum(values, offset, length);
  if (!Number.isFinite(absmax))
    throw new LlmkitError('data', 'a weight is not finite', { hint: 'the checkpoint is broken, or training diverged' });
  const full = scaleOf(absmax, options.scaleFormat);
  if (!options.mse || absmax === 0) return full;
  let best = full;
  let bestLoss = Infinity;
  // The grid of the reference: shrink by 1% down to a fifth, losses to the power 2.4.
  for (let percent = 100; percent > 20; percent--) {
    const scale = scaleOf((absmax * percent) / 100, options.scaleFormat);
    let loss = 0;
    for (let i = offset; i < offset + length && loss < bestLoss; i++) {
      loss += Math.abs(values[i]! - encode(values[i]!, scale) * scale) ** 2.4;
    }
    if (loss < bestLoss) {
      bestLoss = loss;
      best = scale;
    }
  }
  return best;
}

/** Scales of every row and group of a [rows, columns] matrix, each from the weights as they stand. */
export function findScales(
  weight: Float32Array | Float64Array,
  rows: number,
  columns: number,
  options: GridOptions,
): Float32Array {
  const size = options.groupSize ?? columns;
  const scales = new Float32Array((rows * columns) / size);
  for (let g = 0; g < scales.length; g++) scales[g] = findScale(weight, g * size, size, options);
  return scales;
}

/** The float matrix [rows, columns] that the codes stand for. */
export function dequantize(matrix: QuantizedMatrix, out = new Float32Array(matrix.codes.length)): Float32Array {
  const { codes, scales, groupSize } = matrix;
  for (let g = 0; g < scales.length; g++) {
    const scale = scales[g]!;
    for (let i = g * groupSize; i < (g + 1) * groupSize; i++) out[i] = codes[i]! * scale;
  }
  return out;
}

/** Each weight to its nearest code: what quantization costs without GPTQ. */
export function roundToNearest(
  weight: Float32Array,
  rows: number,
  columns: number,
  options: GridOptions,
): QuantizedMatrix {
  const groupSize = checkGroups(columns, options.groupSize, 'quantize.group_size');
  const scales = findScales(weight, rows, columns, options);
  const codes = new Int8Array(rows * columns);
  for (let g = 0; g < scales.length; g++) {
    const scale = scales[g]!;
    for (let i = g * groupSize; i < (g + 1) * groupSize; i++) codes[i] = encode(weight[i]!, scale);
  }
  return { rows, columns, codes, scales, groupSize };
}

/**
 * How much of a layer's output quantization changes: sum over rows of (w - q) H (w - q)^T, divided by the same with q = 0.
 * It is the mean square of the output's error over that of the output, on the calibration data behind H.
 *
 * @param candidates ways in which `weight` was quantized; one figure is returned for each.
 * @param hessian [columns, columns] symmetric; any multiple of X X^T.
 * @param sampleRows at most so many rows, evenly spaced, are looked at (the cost is rows * columns^2).
 */
export function reconstructionErrors(
  weight: Float32Array,
  candidates: readonly QuantizedMatrix[],
  hessian: Float64Array,
  sampleRows = 128,
): number[] {
  const { rows, columns } = candidates[0]!;
  const stride = Math.max(1, rows / sampleRows);
  const vector = new Float64Array(columns);
  const norm = (): number => {
    let sum = 0;
    for (let j = 0; j < columns; j++) sum += vector[j]! * dot(hessian, j * columns, vector, 0, columns);
    return sum;
  };
  let whole = 0;
  const lost = candidates.map(() => 0);
  for (let position = 0; position < rows; position += stride) {
    const row = Math.floor(position);
    for (let j = 0; j < columns; j++) vector[j] = weight[row * columns + j]!;
    whole += norm();
    candidates.forEach(({ codes, scales, groupSize }, c) => {
      for (let j = 0; j < columns; j++) {
        const i = row * columns + j;
        vector[j] = weight[i]! - codes[i]! * scales[Math.floor(i / groupSize)]!;
      }
      lost[c]! += norm();
    });
  }
  return lost.map((value) => (whole === 0 ? 0 : value / whole));
}
