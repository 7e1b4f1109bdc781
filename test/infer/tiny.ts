import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createSession } from '../../src/engine/ort/index.ts';
import { DecoderSession } from '../../src/infer/runner.ts';

const golden = (name: string) => fileURLToPath(new URL(`../golden/infer/${name}`, import.meta.url));

/** A random Llama of two layers with transformers' answers; made by make-tiny-decoder.py. */
export const tiny = JSON.parse(readFileSync(golden('tiny-decoder.json'), 'utf8')) as {
  context: number;
  ids: number[];
  logits: number[][];
  targetLogProbs: number[];
  greedy: number[];
};

export function openTiny(
  options: { prefillChunk?: number; contextLength?: number; initialCapacity?: number } = {},
): DecoderSession {
  const session = createSession(golden('tiny-decoder.onnx'), { threads: 1 });
  return new DecoderSession(session, { contextLength: tiny.context, ...options });
}

/** Largest absolute difference, for messages that say how far off a result is. */
export function maxDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let largest = a.length === b.length ? 0 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
  return largest;
}
