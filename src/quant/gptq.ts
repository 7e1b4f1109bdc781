import { LlmkitError } from '../core/errors.ts';
import { inverseCholeskyUpper, subtractProductTransposed } from '../core/linalg.ts';
import { checkGroups, encode, findScale, findScales, roundToNearest } from './grid.ts';
import type { GridOptions, QuantizedMatrix } from './grid.ts';

export interface GptqOptions extends GridOptions {
  /** Columns whose mutual error compensation is done before the rest of the matrix is touched. 128 in the paper. */
  blockSize: number;
  /** Added to the Hessian's diagonal, as a fraction of its mean. .01 in the paper. */
  percdamp: number;
  /**
   * `static`: columns with the largest diagonal first, scales fixed beforehand from the original weights, so that nothing
   * about the order is needed at run time.
   */
  actorder: 'none' | 'static';
}

export interface GptqResult {
  matrix: QuantizedMatrix;
  /** `gptq`, or `rtn` when no damping made the Hessian positive definite. */
  method: 'gptq' | 'rtn';
  /** The damping that was used in the end, as a fraction of the diagonal's mean. */
  damping: number;
  /** Input features that no calibration token used; their weights became zero. */
  deadColumns: number;
  /** What did not go as asked, for the report. */
  note: string | undefined;
}

/** What all linear layers that read the same input share: see {@link factorHessian}. */
export interface FactoredHessian {
  columns: number;
  /** U [columns, columns] with the damped, reordered H^-1 = U^T U; undefined when nothing made H positive definite. */
  factor: Float64Array | undefined;
  /** In which order columns are quantized. */
  order: Int32Array;
  /** 1 for input features that no calibration token used. */
  dead: Uint8Array;
  damping: number;
  note: string | undefined;
}

/**
 * Orders, damps and factors a Hessian: the costly part of GPTQ, done once for q_proj, k_proj and v_proj together.
 *
 * A Hessian of few or collinear samples may not be positive definite to working precision: the damping is doubled while
 * below 1, then the diagonal is lifted to its mean.
 *
 * @param hessian [columns, columns], (2 / n) sum x x^T over calibration inputs x; not changed.
 * @throws LlmkitError `data` when it is not finite.
 */
export function factorHessian(
  hessian: Float64Array,
  columns: number,
  options: Pick<GptqOptions, 'percdamp' | 'actorder'>,
): FactoredHessian {
  const { percdamp, actorder } = options;
  const dead = new Uint8Array(columns);
  for (let j = 0; j < columns; j++) {
    const value = hessian[j * columns + j]!;
    if (!Number.isFinite(value)) {
      throw new LlmkitError('data', 'the calibration activations are not finite', {
        hint: 'the checkpoint is broken, or its forward pass overflows',
      });
    }
    if (value === 0) dead[j] = 1;
  }
  const order = columnOrder(hessian, columns, actorder);
  const damped = new Float64Array(columns * columns);
  const diagonal = new Float64Array(columns);
  let sum = 0;
  for (let i = 0; i < columns; i++) {
    for (let j = 0; j < columns; j++) damped[i * columns + j] = hessian[order[i]! * columns + order[j]!]!;
    diagonal[i] = dead[order[i]!] === 1 ? 1 : damped[i * columns + i]!;
    sum += diagonal[i]!;
  }
  const mean = sum / columns;
  for (let damping = percdamp; damping < 1; damping = damping === 0 ? 0.01 : 2 * damping) {
    for (let i = 0; i < columns; i++) damped[i * columns + i] = diagonal[i]! + damping * mean;
    const factor = inverseCholeskyUpper(damped, columns);
    if (factor === undefined) continue;
    const note =
      damping === percdamp
        ? undefined
        : `damping raised from ${percdamp} to ${damping}: the Hessian was not positive definite`;
    return { columns, factor, order, dead, damping, note };
  }
  for (let i = 0; i < columns; i++) damped[i * columns + i] = Math.max(diagonal[i]!, mean) + mean;
  const factor = inverseCholeskyUpper(damped, columns);
  const note =
    factor === undefined
      ? 'rounded to nearest: no damping made the Hessian positive definite'
      : 'the diagonal of the Hessian was lifted to its mean: damping alone did not make it positive definite';
  return { columns, factor, order, dead, damping: 1, note };
}

/**
 * GPTQ (Frantar et al. 2022, arXiv:2210.17323): quantizes column after column and lets the columns still open make up for
 * the error of those done, by the inverse Hessian of the layer's least-squares problem.
 *
 * Differs from the authors' code in two details that cost them accuracy: group scales see the compensated weights, and a
 * group whose weights have one sign keeps its full range. Sums are float64.
 *
 * @param weight [rows, columns]; not changed.
 * @throws LlmkitError `data` when weights are not finite; `config` when the groups do not fit.
 */
export function gptq(weight: Float32Array, rows: number, hessian: FactoredHessian, options: GptqOptions): GptqResult {
  const { columns, factor, order, dead, damping, note } = hessian;
  const groupSize = checkGroups(columns, options.groupSize, 'quantize.group_size');
  if (groupSize < columns && options.blockSize % groupSize !== 0) {
    throw new LlmkitError('config', `blocks of ${options.blockSize} columns do not hold whole groups of ${groupSize}`, {
      where: 'quantize.block_size',
      hint: `make it a multiple of ${groupSize}`,
    });
  }
  const deadColumns = dead.reduce((sum, flag) => sum + flag, 0);
  if (factor === undefined) {
    return { matrix: roundToNearest(weight, rows, columns, options), method: 'rtn', damping, deadColumns, note };
  }

  const work = new Float64Array(rows * columns);
  for (let r = 0; r < rows; r++) {
    for (let j = 0; j < columns; j++) {
      const column = order[j]!;
      work[r * columns + j] = dead[column] === 1 ? 0 : weight[r * columns + column]!;
    }
  }
  const moving = groupSize < columns && options.actorder === 'none';
  const scales = moving ? new Float32Array((rows * columns) / groupSize) : findScales(weight, rows, columns, options);
  const codes = new Int8Array(rows * columns);
  sweep(work, rows, columns, factor, order, codes, scales, groupSize, moving, options);
  return { matrix: { rows, columns, codes, scales, groupSize }, method: 'gptq', damping, deadColumns, note };
}

/** Identity, or with `static` by falling diagonal; equal diagonals keep their order. */
function columnOrder(hessian: Float64Array, columns: number, actorder: GptqOptions['actorder']): Int32Array {
  const order = Int32Array.from({ length: columns }, (_, j) => j);
  if (actorder === 'static') {
    order.sort((a, b) => hessian[b * columns + b]! - hessian[a * columns + a]! || a - b);
  }
  return order;
}

/** The blocked sweep over columns. Rows do not depend on each other, so each block is finished row by row, in cache. */
function sweep(
  work: Float64Array,
  rows: number,
  columns: number,
  factor: Float64Array,
  order: Int32Array,
  codes: Int8Array,
  scales: Float32Array,
  groupSize: number,
  moving: boolean,
  options: GptqOptions,
): void {
  const groups = columns / groupSize;
  const errors = new Float64Array(rows * options.blockSize);
  const panel = new Float64Array(columns * options.blockSize);
  for (let start = 0; start < columns; start += options.blockSize) {
    const end = Math.min(start + options.blockSize, columns);
    const width = end - start;
    for (let r = 0; r < rows; r++) {
      const row = r * columns;
      for (let i = start; i < end; i++) {
        const column = order[i]!;
        const slot = r * groups + Math.floor(column / groupSize);
        if (moving && i % groupSize === 0) scales[slot] = findScale(work, row + i, groupSize, options);
        const scale = scales[slot]!;
        const value = work[row + i]!;
        const code = encode(value, scale);
        codes[row + column] = code;
        const error = (value - code * scale) / factor[i * columns + i]!;
        errors[r * width + i - start] = error;
        for (let j = i + 1; j < end; j++) work[row + j]! -= error * factor[i * columns + j]!;
      }
    }
    const rest = columns - end;
    for (let i = start; i < end; i++) {
      for (let j = 0; j < rest; j++) panel[j * width + i - start] = factor[i * columns + end + j]!;
    }
    subtractProductTransposed(
      { data: work, offset: end, stride: columns },
      { data: errors, offset: 0, stride: width },
      { data: panel, offset: 0, stride: width },
      rows,
      rest,
      width,
    );
  }
}
