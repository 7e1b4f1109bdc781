import { LlmkitError } from '../core/errors.ts';
import { type LoraFactors, updateRow } from '../model/lora.ts';
import type { LinearModule } from '../model/tensors.ts';

/**
 * Adds scale * B A to a linear layer's weight in place. Each element of B A is summed in double precision and the sum
 * with the weight rounded to f32 once.
 *
 * @param weight f32, stored [out, in], or [in, out] when the module is transposed
 * @returns the squared Frobenius norm of what was added
 * @throws LlmkitError('data') when a sum is not finite
 */
export function mergeLinear(weight: Float32Array, module: LinearModule, factors: LoraFactors, scale: number): number {
  const inner = module.in;
  const [rowStride, columnStride] = module.transposed ? [1, module.out] : [inner, 1];
  const delta = new Float64Array(inner);
  let squared = 0;
  for (let row = 0; row < module.out; row++) {
    updateRow(factors, row, scale, delta);
    let at = row * rowStride;
    let sum = 0;
    for (let column = 0; column < inner; column++, at += columnStride) {
      const change = delta[column]!;
      squared += change * change;
      weight[at]! += change;
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
