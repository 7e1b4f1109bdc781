import type { LoraTargets } from './lora-targets.ts';
import { patternValue } from './lora-targets.ts';

/** Low-rank adaptation (Hu et al. 2021): y = W x + scale * B (A x), by PEFT's names. */
export interface LoraSettings extends LoraTargets {
  r: number;
  alpha: number;
  dropout: number;
  /** Scale by alpha / sqrt(r) instead of alpha / r (Kalajdzievski 2023). */
  useRslora: boolean;
  /** DoRA (Liu et al. 2024): W + scale * B A gives each row its direction, a trained vector its length. */
  useDora?: boolean;
  /** Ranks of modules that differ, by an expression for the end of their path; the first that fits counts. */
  rankPattern?: Readonly<Record<string, number>>;
  alphaPattern?: Readonly<Record<string, number>>;
  /** Biases that are trained too: those of all layers, or those of adapted ones. */
  bias?: 'none' | 'all' | 'lora_only';
  /** The embedding, and the head that is tied to it, stay one where `modulesToSave` has them. */
  ensureWeightTying?: boolean;
  /** How A begins: Kaiming-uniform, or normal with standard deviation 1 / r. B begins as zero. */
  initLoraWeights?: true | 'gaussian';
}

export interface LoraFactors {
  /** f32 [r, in]. */
  A: Float32Array;
  /** f32 [out, r]. */
  B: Float32Array;
  /** DoRA's length of each row, f32 [out]. */
  magnitude?: Float32Array;
}

/** What B A is multiplied with. */
export function loraScale({ r, alpha, useRslora }: Pick<LoraSettings, 'r' | 'alpha' | 'useRslora'>): number {
  return alpha / (useRslora ? Math.sqrt(r) : r);
}

/** Rank and scale of one module, as rank_pattern and alpha_pattern have them. */
export function moduleScale(lora: LoraSettings, module: string): { r: number; scale: number } {
  const r = patternValue(lora.rankPattern, module) ?? lora.r;
  const alpha = patternValue(lora.alphaPattern, module) ?? lora.alpha;
  return { r, scale: loraScale({ r, alpha, useRslora: lora.useRslora }) };
}

/**
 * One row of the weight becomes that of the adapted layer: plus scale * B A, and in DoRA magnitude times its direction.
 * In double precision, in place.
 *
 * @param weight f64 [in]
 */
export function adaptRow(weight: Float64Array, { A, B, magnitude }: LoraFactors, row: number, scale: number): void {
  const inner = weight.length;
  const r = A.length / inner;
  for (let k = 0; k < r; k++) {
    const factor = scale * B[row * r + k]!;
    const start = k * inner;
    for (let column = 0; column < inner; column++) weight[column]! += factor * A[start + column]!;
  }
  if (magnitude === undefined) return;
  const factor = magnitude[row]! / Math.sqrt(weight.reduce((sum, x) => sum + x * x, 0));
  for (let column = 0; column < inner; column++) weight[column]! *= factor;
}

/**
 * The length of each row of a weight, with which DoRA's magnitude begins.
 *
 * @param weight f32, stored [out, in], or [in, out] when `transposed`
 * @returns f32 [out]
 */
export function rowNorms(weight: Float32Array, out: number, transposed: boolean): Float32Array {
  const inner = weight.length / out;
  const [rowStride, columnStride] = transposed ? [1, out] : [inner, 1];
  return Float32Array.from({ length: out }, (_, row) => {
    let sum = 0;
    for (let column = 0; column < inner; column++) sum += weight[row * rowStride + column * columnStride]! ** 2;
    return Math.sqrt(sum);
  });
}
