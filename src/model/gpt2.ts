import { activationName, noteDropouts, readActivation } from './activations.ts';
import type { ConfigFields } from './config-fields.ts';
import type { DecoderSpec, MatrixName, WeightNames } from './spec.ts';

/** Of the heads of other tasks, or of versions before they were left out; none changes a language model. */
const WITHOUT_EFFECT = [
  'n_ctx',
  'n_special',
  'predict_special_tokens',
  'afn',
  'gradient_checkpointing',
  'summary_type',
  'summary_use_proj',
  'summary_activation',
  'summary_proj_to_labels',
  'summary_first_dropout',
  // The same products in another order, for half precision.
  'reorder_and_upcast_attn',
];

/**
 * GPT-2 (Radford et al. 2019; `GPT2Config`): layer norms, learned positions, q, k and v in one matrix, and matrices that
 * are stored [in, out] (`Conv1D`).
 *
 * @throws LlmkitError('data') naming the field.
 */
export function parseGpt2(fields: ConfigFields): DecoderSpec {
  const vocabSize = fields.integer('vocab_size', 1);
  const hiddenSize = fields.integer('n_embd', 1);
  const heads = fields.integer('n_head', 1);
  if (hiddenSize % heads !== 0) throw fields.wrong('n_head', `a divisor of n_embd, ${hiddenSize}`);
  const headDim = hiddenSize / heads;
  const scaled = fields.has('scale_attn_weights') ? fields.boolean('scale_attn_weights') : true;
  const byLayer = fields.has('scale_attn_by_inverse_layer_idx') && fields.boolean('scale_attn_by_inverse_layer_idx');
  if (byLayer) throw fields.wrong('scale_attn_by_inverse_layer_idx', 'false: every layer scales its scores alike');
  if (fields.has('add_cross_attention') && fields.boolean('add_cross_attention')) {
    throw fields.wrong('add_cross_attention', 'false: there is no encoder to attend to');
  }
  noteDropouts(fields, ['resid_pdrop', 'embd_pdrop', 'attn_pdrop']);
  for (const name of WITHOUT_EFFECT) fields.has(name);
  const tiedHead = fields.has('tie_word_embeddings') ? fields.boolean('tie_word_embeddings') : true;
  return {
    modelType: 'gpt2',
    vocabSize,
    hiddenSize,
    numLayers: fields.integer('n_layer', 1),
    maxPositions: fields.integer('n_positions', 1, 1024),
    norm: { kind: 'layer', eps: fields.positive('layer_norm_epsilon', 1e-5) },
    position: { kind: 'learned' },
    attention: {
      heads,
      kvHeads: heads,
      headDim,
      scale: scaled ? headDim ** -0.5 : 1,
      qkvBias: true,
      outBias: true,
      qkNorm: false,
    },
    mlp: {
      kind: 'plain',
      activation: readActivation(fields, 'activation_function', 'gelu_new'),
      intermediateSize: fields.has('n_inner') ? fields.integer('n_inner', 1) : 4 * hiddenSize,
      bias: true,
    },
    parallelResidual: false,
    tiedHead,
    bosTokenId: fields.tokenIds('bos_token_id', vocabSize, [50_256])[0],
    eosTokenIds: fields.tokenIds('eos_token_id', vocabSize, [50_256]),
    padTokenId: fields.tokenIds('pad_token_id', vocabSize, [])[0],
    names: gpt2Names(tiedHead, hiddenSize),
  };
}

/** Checkpoint names of `GPT2LMHeadModel`. */
function gpt2Names(tiedHead: boolean, hiddenSize: number): WeightNames {
  return {
    embedding: 'transformer.wte',
    positionEmbedding: 'transformer.wpe',
    finalNorm: 'transformer.ln_f',
    head: tiedHead ? undefined : 'lm_head',
    headModule: 'lm_head',
    layer: (index) => {
      const layer = `transformer.h.${index}`;
      const matrix = (name: string): MatrixName => ({ module: `${layer}.${name}`, transposed: true });
      const fused = (part: number): MatrixName => ({
        ...matrix('attn.c_attn'),
        rows: { start: part * hiddenSize, size: hiddenSize, stride: 3 * hiddenSize, count: 1 },
      });
      return {
        attentionNorm: `${layer}.ln_1`,
        mlpNorm: `${layer}.ln_2`,
        qNorm: undefined,
        kNorm: undefined,
        linear: {
          q_proj: fused(0),
          k_proj: fused(1),
          v_proj: fused(2),
          o_proj: matrix('attn.c_proj'),
          up_proj: matrix('mlp.c_fc'),
          down_proj: matrix('mlp.c_proj'),
        },
      };
    },
  };
}

/** config.json as `GPT2Config` reads it. */
export function gpt2ToConfig(spec: DecoderSpec): { [key: string]: unknown } {
  const { attention, mlp } = spec;
  return {
    architectures: ['GPT2LMHeadModel'],
    activation_function: mlp.activation === 'gelu_tanh' ? 'gelu_new' : activationName(mlp.activation),
    attn_pdrop: 0,
    embd_pdrop: 0,
    layer_norm_epsilon: spec.norm.eps,
    n_embd: spec.hiddenSize,
    n_head: attention.heads,
    n_inner: mlp.intermediateSize,
    n_layer: spec.numLayers,
    n_positions: spec.maxPositions,
    resid_pdrop: 0,
    scale_attn_weights: attention.scale !== 1,
    tie_word_embeddings: spec.tiedHead,
    vocab_size: spec.vocabSize,
  };
}
