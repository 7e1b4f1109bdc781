import { describe, expect, it } from 'vitest';
import { buildAdamW, decays, embeddingWeights } from '../../src/train/adamw.ts';
import { openFixture } from '../support/decoder-fixture.ts';
import { evaluate } from '../support/evaluate.ts';
import { readOracles } from './oracles.ts';

describe('weight decay', () => {
  it.each(Object.entries(readOracles().decays))('goes onto the weights of %s that transformers decays', (_, names) => {
    const got = Object.fromEntries(Object.keys(names).map((name) => [name, decays({ name })]));
    expect(got).toEqual(names);
  });

  it('can leave embeddings of tokens and positions alone', () => {
    expect(embeddingWeights(openFixture('gpt2').checkpoint.spec)).toEqual([
      'transformer.wte.weight',
      'transformer.wpe.weight',
    ]);
    expect(embeddingWeights(openFixture('llama-gqa').checkpoint.spec)).toEqual(['model.embed_tokens.weight']);
  });

  it('leaves alone what it is told to', () => {
    const options = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1, maxGradNorm: 0 };
    const weights = ['embed.weight', 'q_proj.weight', 'norm.weight'].map((name) => ({ name, shape: [1, 1] }));
    const graph = buildAdamW(weights, { ...options, noDecay: ['embed.weight'] });
    const feeds: Record<string, number[]> = {
      learning_rate: [0.5],
      gradient_scale: [1],
      correction1: [0.1],
      correction2: [0.001],
    };
    for (const { name } of weights) {
      Object.assign(feeds, {
        [name]: [2],
        [`gradient/${name}`]: [0],
        [`adam_m/${name}`]: [0],
        [`adam_v/${name}`]: [0],
      });
    }
    const after = evaluate(graph, feeds);
    expect(after['embed.weight']!.data[0]).toBe(2);
    expect(after['norm.weight']!.data[0]).toBe(2);
    expect(after['q_proj.weight']!.data[0]).toBeCloseTo(2 * (1 - 0.5 * 0.1), 6);
  });
});
