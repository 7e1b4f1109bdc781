import type { PositionSpec } from './spec.ts';

/**
 * Inverse frequencies of rotary embedding, f32 [dim / 2]: theta^(-2i / dim), then scaled.
 * Su et al. 2021 (RoFormer); `linear` divides all by the factor (Chen et al. 2023); `llama3` divides the long wavelengths,
 * keeps the short ones and goes smoothly between (Llama 3.1). Steps are rounded to f32 as transformers rounds them.
 */
export function inverseFrequencies(position: Extract<PositionSpec, { kind: 'rotary' }>): Float32Array {
  const { theta, dim, scaling } = position;
  const frequencies = new Float32Array(dim / 2);
  for (let i = 0; i < frequencies.length; i++) {
    frequencies[i] = 1 / Math.fround(theta ** Math.fround((2 * i) / dim));
  }
  if (scaling === undefined) return frequencies;
  if (scaling.type === 'linear') return frequencies.map((frequency) => frequency / scaling.factor);
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositions } = scaling;
  return frequencies.map((frequency) => {
    const turns = (originalMaxPositions * frequency) / (2 * Math.PI);
    if (turns > highFreqFactor) return frequency;
    if (turns < lowFreqFactor) return frequency / factor;
    const smooth = (turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
    return ((1 - smooth) * frequency) / factor + smooth * frequency;
  });
}

/**
 * Cosines and sines of every position, f32 [positions, dim / 2] each, as ONNX's rotary caches and lookups in a graph want
 * them. Angles are rounded to f32 before the cosine, as transformers does.
 */
export function rotaryTables(
  position: Extract<PositionSpec, { kind: 'rotary' }>,
  positions: number,
): { cos: Float32Array; sin: Float32Array } {
  const frequencies = inverseFrequencies(position);
  const cos = new Float32Array(positions * frequencies.length);
  const sin = new Float32Array(cos.length);
  for (let at = 0, p = 0; p < positions; p++) {
    for (const frequency of frequencies) {
      const angle = Math.fround(p * frequency);
      cos[at] = Math.cos(angle);
      sin[at++] = Math.sin(angle);
    }
  }
  return { cos, sin };
}
