import { LlmkitError } from '../core/errors.ts';
import type { TfEngine } from '../engine/tf/index.ts';

/** bf16 by itself where the engine's device multiplies bf16; asking for it elsewhere is an error rather than a slow run. */
export function choosePrecision(
  wanted: 'auto' | 'fp32' | 'bf16',
  { multipliesBf16, description }: Pick<TfEngine, 'multipliesBf16' | 'description'>,
): 'fp32' | 'bf16' {
  if (wanted === 'bf16' && !multipliesBf16) {
    throw new LlmkitError('config', `${description} does not multiply bf16`, {
      where: 'precision',
      expected: 'auto or fp32',
      got: 'bf16',
      hint: 'llmkit doctor shows what the processor has',
    });
  }
  return wanted !== 'fp32' && multipliesBf16 ? 'bf16' : 'fp32';
}
