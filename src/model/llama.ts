import { LlmkitError } from '../core/errors.ts';
import { activationName, noteDropouts, readActivation } from './activations.ts';
import type { ConfigFields } from './config-fields.ts';
import { readRope, ropeToConfig } from './rope-config.ts';
import type { DecoderSpec, LinearRole, WeightNames } from './spec.ts';

/** What the config class of a family defines for fields that config.json leaves out. */
export interface LlamaDefaults {
  kvHeads: (heads: number) => number;
  maxPositions: number;
  /** Absent: hidden_size / num_attention_heads. */
  headDim?: number;
  bosTokenId: number[];
  eosTokenIds: number[];
}

/**
 * Llama (Touvron et al. 2023; `LlamaConfig`): pre-norm RMS, rotary, grouped-query attention, SwiGLU.
 * Sizes must be given; other fields may take the defaults of transformers' config class, which are noted.
 *
 * @throws LlmkitError('data') naming the field.
 */
export function parseLlama(fields: ConfigFields): DecoderSpec {
  const spec = parseLlamaLayout(fields, 'llama', {
    kvHeads: (heads) => heads,
    maxPositions: 2048,
    bosTokenId: [1],
    eosTokenIds: [2],
  });
  const attentionBias = fields.boolean('attention_bias', false);
  spec.attention.qkvBias = attentionBias;
  spec.attention.outBias = attentionBias;
  spec.mlp.bias = fields.boolean('mlp_bias', false);
  return spec;
}

/**
 * Mistral (Jiang et al. 2023; `MistralConfig`) without a sliding window: the same computation as Llama, no biases.
 * A window that no sequence of the checkpoint's length can outgrow has no effect and is accepted.
 *
 * @throws LlmkitError('data') naming the field.
 */
export function parseMistral(fields: ConfigFields): DecoderSpec {
  const spec = parseLlamaLayout(fields, 'mistral', {
    kvHeads: () => 8,
    maxPositions: 131_072,
    bosTokenId: [1],
    eosTokenIds: [2],
  });
  const given = fields.has('sliding_window');
  const window = given ? fields.integer('sliding_window', 1) : fields.isNull('sliding_window') ? undefined : 4096;
  if (window === undefined) return spec;
  if (window < spec.maxPositions) {
    const said = given ? '' : ' (the default in transformers: the field is missing)';
    throw fields.wrong(
      'sliding_window',
      `null, or at least max_position_embeddings, which is ${spec.maxPositions}`,
      `attention over a sliding window of ${window} tokens${said} is not supported`,
    );
  }
  fields.note(`sliding_window ${window} has no effect: no sequence is longer than ${spec.maxPositions} tokens`);
  return spec;
}

/** The fields that Llama, Mistral and Qwen share; biases and norms of heads are the caller's. */
export function parseLlamaLayout(fields: ConfigFields, modelType: string, defaults: LlamaDefaults): DecoderSpec {
  const vocabSize = fields.integer('vocab_size', 1);
  const hiddenSize = fields.integer('hidden_size', 1);
  const heads = fields.integer('num_attention_heads', 1);
  const usual = fields.isNull('num_key_value_heads') ? heads : defaults.kvHeads(heads);
  const kvHeads = fields.integer('num_key_value_heads', 1, usual);
  if (heads % kvHeads !== 0) throw fields.wrong('num_key_value_heads', `a divisor of num_attention_heads, ${heads}`);
  const headDim = readHeadDim(fields, hiddenSize, heads, defaults.headDim);
  const maxPositions = fields.integer('max_position_embeddings', 1, defaults.maxPositions);
  const { theta, scaling } = readRope(fields, maxPositions);
  const tiedHead = fields.boolean('tie_word_embeddings', false);
  const activation = readActivation(fields, 'hidden_act', 'silu');
  noteDropouts(fields, ['attention_dropout']);
  return {
    modelType,
    vocabSize,
    hiddenSize,
    numLayers: fields.integer('num_hidden_layers', 1),
    maxPositions,
    norm: { kind: 'rms', eps: fields.positive('rms_norm_eps', 1e-6) },
    position: { kind: 'rotary', dim: headDim, theta, scaling },
    attention: { heads, kvHeads, headDim, scale: headDim ** -0.5, qkvBias: false, outBias: false, qkNorm: false },
    mlp: { kind: 'gated', activation, intermediateSize: fields.integer('intermediate_size', 1), bias: false },
    parallelResidual: false,
    tiedHead,
    bosTokenId: fields.tokenIds('bos_token_id', vocabSize, defaults.bosTokenId)[0],
    eosTokenIds: fields.tokenIds('eos_token_id', vocabSize, defaults.eosTokenIds),
    padTokenId: fields.tokenIds('pad_token_id', vocabSize, [])[0],
    names: llamaNames(tiedHead),
  };
}

function readHeadDim(fields: ConfigFields, hiddenSize: number, heads: number, usual: number | undefined): number {
  if (!fields.has('head_dim') && usual === undefined && hiddenSize % heads !== 0) {
    throw fields.wrong('num_attention_heads', `a divisor of hidden_size, ${hiddenSize}, when head_dim is not given`);
  }
  const headDim = fields.integer('head_dim', 2, usual ?? hiddenSize / heads);
  if (headDim % 2 !== 0) throw fields.wrong('head_dim', 'an even number: rotary embedding turns pairs');
  return headDim;
}

/** Checkpoint names of `LlamaForCausalLM` and of the families that copy its layout. */
export function llamaNames(tiedHead: boolean, options: { qkNorm?: boolean } = {}): WeightNames {
  const { qkNorm = false } = options;
  return {
    embedding: 'model.embed_tokens',
    positionEmbedding: undefined,
    finalNorm: 'model.norm',
    head: tiedHead ? undefined : 'lm_head',
    headModule: 'lm_head',
    layer: (index) => {
      const layer = `model.layers.${index}`;
      const attention = (role: LinearRole) => ({ module: `${layer}.self_attn.${role}` });
      const mlp = (role: LinearRole) => ({ module: `${layer}.mlp.${role}` });
      return {
        attentionNorm: `${layer}.input_layernorm`,
        mlpNorm: `${layer}.post_attention_layernorm`,
        qNorm: qkNorm ? `${layer}.self_attn.q_norm` : undefined,
        kNorm: qkNorm ? `${layer}.self_attn.k_norm` : undefined,
        linear: {
          q_proj: attention('q_proj'),
          k_proj: attention('k_proj'),
          v_proj: attention('v_proj'),
          o_proj: attention('o_proj'),
          gate_proj: mlp('gate_proj'),
          up_proj: mlp('up_proj'),
          down_proj: mlp('down_proj'),
        },
      };
    },
  };
}

/** The part of config.json that the config classes of this layout share, in transformers 5's spelling. */
export function llamaLayoutToConfig(spec: DecoderSpec): { [key: string]: unknown } {
  const { attention, mlp, position } = spec;
  if (position.kind !== 'rotary') throw new LlmkitError('bug', `${spec.modelType} without rotary positions`);
  return {
    attention_dropout: 0,
    head_dim: attention.headDim,
    hidden_act: activationName(mlp.activation),
    hidden_size: spec.hiddenSize,
    intermediate_size: mlp.intermediateSize,
    max_position_embeddings: spec.maxPositions,
    num_attention_heads: attention.heads,
    num_hidden_layers: spec.numLayers,
    num_key_value_heads: attention.kvHeads,
    rms_norm_eps: spec.norm.eps,
    rope_parameters: ropeToConfig(position),
    rope_theta: position.theta,
    tie_word_embeddings: spec.tiedHead,
    vocab_size: spec.vocabSize,
  };
}

export function llamaToConfig(spec: DecoderSpec): { [key: string]: unknown } {
  return {
    architectures: ['LlamaForCausalLM'],
    ...llamaLayoutToConfig(spec),
    attention_bias: spec.attention.qkvBias,
    mlp_bias: spec.mlp.bias,
  };
}

export function mistralToConfig(spec: DecoderSpec): { [key: string]: unknown } {
  return { architectures: ['MistralForCausalLM'], ...llamaLayoutToConfig(spec), sliding_window: null };
}
