import { add, greaterEqual, linear, mul, randomUniform, scale, scalar, select } from '../graph/index.ts';
import type { Value } from '../graph/index.ts';

export interface LoraFactors {
  /** lora_A, f32 [r, in] */
  a: Value;
  /** lora_B, f32 [out, r] */
  b: Value;
}

/**
 * y + B (A dropout(x)) scale: the low-rank update of a frozen linear layer whose output is y [..., out].
 * The scale goes onto [..., r], where it is cheapest. Hu et al., "LoRA" (2021); dropout as in PEFT, on the adapter's input.
 */
export function addLora(y: Value, x: Value, { a, b }: LoraFactors, scaling: number, dropout?: Dropout): Value {
  const down = linear(dropout ? applyDropout(x, dropout) : x, a);
  return add(y, linear(scale(down, scaling), b));
}

export interface Dropout {
  probability: number;
  /** i32 [2], a different one for every layer and step */
  seed: Value;
}

function applyDropout(x: Value, { probability, seed }: Dropout): Value {
  const kept = greaterEqual(randomUniform(seed, x.shape as number[]), scalar(x.graph, probability));
  return mul(x, select(kept, scalar(x.graph, 1 / (1 - probability)), scalar(x.graph, 0)));
}
