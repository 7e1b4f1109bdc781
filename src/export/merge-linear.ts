import { LlmkitError } from '../core/errors.ts';
import { adaptRow, type LoraFactors } from '../model/lora.ts';
import type { LinearModule } from '../model/tensors.ts';

/**
 * Adapts a linear layer's weight in place: plus scale * B A, and in DoRA its rows brought to their magnitudes. Each row is
 * computed in double precision and rounded to f32 once.
 *
 * @param weight f32, stored [out, in], or [in, out] when the module is transposed
 * @returns the squared Frobenius norm of what was added
 * @throws LlmkitError('data') when a sum is not finite
 */
export function mergeLinear(weight: Float32Array, module: LinearModule, factors: LoraFactors, scale: number): number {
  const inner = module.in;
  const [rowStride, columnStride] = module.transposed ? [1, module.out] : [inner, 1];
  const values = new Float64Array(inner);
  let squared = 0;
  for (let row = 0; row < module.out; row++) {
    const first = row * rowStride;
    for (let column = 0; column < inner; column++) values[column] = weight[first + column * columnStride]!;
    adaptRow(values, factors, row, scale);
    let sum = 0;
    for (let column = 0; column < inner; column++) {
      const at = first + column * columnStride;
      squared += (values[column]! - weight[at]!) ** 2;
      weight[at] = values[column]!;
      sum += weight[at]!;
    }
    // One value that is not finite makes the sum of its row so.
    if (!Number.isFinite(sum)) {
      throw new LlmkitError('data', `${module.module}.weight is not finite after merging`, {
        where: `${module.module}.weight, row ${row}`,
        expected: 'finite numbers',
        hint: 'the base checkpoint or the adapter is damaged',
      });
    }
  }
  return squared;
}
