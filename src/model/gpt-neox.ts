import { LlmkitError } from '../core/errors.ts';
import { activationName, noteDropouts, readActivation } from './activations.ts';
import type { ConfigFields } from './config-fields.ts';
import { readRope, ropeToConfig } from './rope-config.ts';
import type { DecoderSpec, MatrixName, WeightNames } from './spec.ts';

/**
 * GPT-NeoX (Black et al. 2022; `GPTNeoXConfig`), Pythia among them: layer norms, rotary positions on a part of each head,
 * attention and MLP side by side, q, k and v in one matrix.
 *
 * @throws LlmkitError('data') naming the field.
 */
export function parseGptNeox(fields: ConfigFields): DecoderSpec {
  const vocabSize = fields.integer('vocab_size', 1);
  const hiddenSize = fields.integer('hidden_size', 1);
  const heads = fields.integer('num_attention_heads', 1);
  if (hiddenSize % heads !== 0) throw fields.wrong('num_attention_heads', `a divisor of hidden_size, ${hiddenSize}`);
  const headDim = hiddenSize / heads;
  const maxPositions = fields.integer('max_position_embeddings', 1, 2048);
  const { theta, scaling, fraction } = readRope(fields, maxPositions, {
    theta: 'rotary_emb_base',
    fraction: { name: 'rotary_pct', usual: 0.25 },
  });
  const dim = Math.trunc(headDim * fraction);
  if (dim < 2 || dim % 2 !== 0) {
    const expected = `a share of the ${headDim} dimensions of a head that is an even number of at least 2`;
    throw fields.wrong(fields.has('rotary_pct') ? 'rotary_pct' : 'rope_parameters', expected);
  }
  const tiedHead = fields.boolean('tie_word_embeddings', false);
  const attentionBias = fields.has('attention_bias') ? fields.boolean('attention_bias') : true;
  noteDropouts(fields, ['attention_dropout', 'hidden_dropout']);
  // Of another head than that of a language model.
  fields.has('classifier_dropout');
  return {
    modelType: 'gpt_neox',
    vocabSize,
    hiddenSize,
    numLayers: fields.integer('num_hidden_layers', 1),
    maxPositions,
    norm: { kind: 'layer', eps: fields.positive('layer_norm_eps', 1e-5) },
    position: { kind: 'rotary', dim, theta, scaling },
    attention: {
      heads,
      kvHeads: heads,
      headDim,
      scale: headDim ** -0.5,
      qkvBias: attentionBias,
      outBias: attentionBias,
      qkNorm: false,
    },
    mlp: {
      kind: 'plain',
      activation: readActivation(fields, 'hidden_act', 'gelu'),
      intermediateSize: fields.integer('intermediate_size', 1),
      bias: true,
    },
    parallelResidual: fields.boolean('use_parallel_residual', true),
    tiedHead,
    bosTokenId: fields.tokenIds('bos_token_id', vocabSize, [0])[0],
    eosTokenIds: fields.tokenIds('eos_token_id', vocabSize, [2]),
    padTokenId: fields.tokenIds('pad_token_id', vocabSize, [])[0],
    names: gptNeoxNames(tiedHead, heads, headDim),
  };
}

/** Checkpoint names of `GPTNeoXForCausalLM`. The fused matrix has q, k and v of the first head, then of the second, ... */
function gptNeoxNames(tiedHead: boolean, heads: number, headDim: number): WeightNames {
  return {
    embedding: 'gpt_neox.embed_in',
    positionEmbedding: undefined,
    finalNorm: 'gpt_neox.final_layer_norm',
    head: tiedHead ? undefined : 'embed_out',
    headModule: 'embed_out',
    layer: (index) => {
      const layer = `gpt_neox.layers.${index}`;
      const fused = (part: number): MatrixName => ({
        module: `${layer}.attention.query_key_value`,
        rows: { start: part * headDim, size: headDim, stride: 3 * headDim, count: heads },
      });
      return {
        attentionNorm: `${layer}.input_layernorm`,
        mlpNorm: `${layer}.post_attention_layernorm`,
        qNorm: undefined,
        kNorm: undefined,
        linear: {
          q_proj: fused(0),
          k_proj: fused(1),
          v_proj: fused(2),
          o_proj: { module: `${layer}.attention.dense` },
          up_proj: { module: `${layer}.mlp.dense_h_to_4h` },
          down_proj: { module: `${layer}.mlp.dense_4h_to_h` },
        },
      };
    },
  };
}

/** config.json as `GPTNeoXConfig` reads it, in transformers 5's spelling and in that of transformers 4. */
export function gptNeoxToConfig(spec: DecoderSpec): { [key: string]: unknown } {
  const { attention, mlp, position } = spec;
  if (position.kind !== 'rotary') throw new LlmkitError('bug', `${spec.modelType} without rotary positions`);
  const fraction = position.dim / attention.headDim;
  return {
    architectures: ['GPTNeoXForCausalLM'],
    attention_bias: attention.qkvBias,
    attention_dropout: 0,
    hidden_act: activationName(mlp.activation),
    hidden_dropout: 0,
    hidden_size: spec.hiddenSize,
    intermediate_size: mlp.intermediateSize,
    layer_norm_eps: spec.norm.eps,
    max_position_embeddings: spec.maxPositions,
    num_attention_heads: attention.heads,
    num_hidden_layers: spec.numLayers,
    rope_parameters: { ...ropeToConfig(position), partial_rotary_factor: fraction },
    rotary_emb_base: position.theta,
    rotary_pct: fraction,
    tie_word_embeddings: spec.tiedHead,
    use_parallel_residual: spec.parallelResidual,
    vocab_size: spec.vocabSize,
  };
}
