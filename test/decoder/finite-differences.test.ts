import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { buildTrainingGraph } from '../../src/decoder/training.ts';
import type { TrainingGraphOptions } from '../../src/decoder/training.ts';
import { parseModelConfig } from '../../src/model/config.ts';
import { evaluate } from '../support/evaluate.ts';
import { makeBatch } from '../support/decoder-fixture.ts';

const LENGTH = 6;
const { spec } = parseModelConfig(
  {
    model_type: 'llama',
    vocab_size: 11,
    hidden_size: 8,
    intermediate_size: 6,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    head_dim: 4,
    max_position_embeddings: 16,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: true,
    rope_parameters: { rope_type: 'default', rope_theta: 100 },
  },
  'config.json',
);
// Two documents in a row, several attention blocks, several chunks of the loss.
const batch = makeBatch([1, 2, 3, 4, 5, 6], [-100, 2, 3, -100, 5, 6], LENGTH, [3, 3]);
const options: TrainingGraphOptions = {
  spec,
  shape: { batch: 1, length: LENGTH, band: 4, blockSize: 2 },
  targets: batch.target_ids.length,
  matrixDType: 'f32',
  lora: undefined,
  produce: 'gradients',
  lossChunk: 3,
};

describe.each([
  ['LoRA', { r: 2, scaling: 1.5, dropout: 0, targets: () => true }],
  ['full training', undefined],
] as const)('a whole step of %s', (_name, lora) => {
  it.each(['none', 'layer'] as const)('has the gradient that finite differences give (memory: %s)', (memory) => {
    const { graph, weights } = buildTrainingGraph({ ...options, lora, memory });
    const loss = buildTrainingGraph({ ...options, lora, produce: 'loss' }).graph;
    const random = new Random(1);
    const feeds: Record<string, ArrayLike<number>> = { ...batch };
    const values = weights.map(({ name, shape }) => {
      const data = Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal() * 0.5);
      feeds[name] = data;
      return data;
    });
    const gradients = evaluate(graph, feeds);
    const step = 1e-5;
    weights.forEach(({ name, trained }, i) => {
      if (!trained) return;
      const data = values[i]!;
      // Three elements of each weight: every weight is reached, and the test stays quick.
      for (const at of [0, Math.floor(data.length / 2), data.length - 1]) {
        const value = data[at]!;
        const lossAt = (x: number): number => {
          data[at] = x;
          return evaluate(loss, feeds)['loss']!.data[0]!;
        };
        const numeric = (lossAt(value + step) - lossAt(value - step)) / (2 * step);
        data[at] = value;
        const analytic = gradients[`gradient/${name}`]!.data[at]!;
        expect(Math.abs(analytic - numeric) / Math.max(1, Math.abs(numeric)), `${name}[${at}]`).toBeLessThan(1e-6);
      }
    });
  });
});
