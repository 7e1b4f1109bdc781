import { LlmkitError } from '../core/errors.ts';
import type { ConfigFields } from './config-fields.ts';
import { readRope, ropeToConfig } from './rope-config.ts';
import type { DecoderSpec, LinearRole, MlpSpec, WeightNames } from './spec.ts';

/** transformers' names of activations. `gelu_new` and `gelu_pytorch_tanh` are one formula. */
const ACTIVATIONS: Record<string, MlpSpec['activation']> = {
  silu: 'silu',
  swish: 'silu',
  gelu: 'gelu',
  gelu_new: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
};

/** What the config class of a family defines for fields that config.json leaves out. */
interface Defaults {
  kvHeads: (heads: number) => number;
  maxPositions: number;
}

/**
 * Llama (Touvron et al. 2023; `LlamaConfig`): pre-norm RMS, rotary, grouped-query attention, SwiGLU.
 * Sizes must be given; other fields may take the defaults of transformers' config class, which are noted.
 *
 * @throws LlmkitError('data') naming the field.
 */
export function parseLlama(fields: ConfigFields): DecoderSpec {
  const spec = parse(fields, 'llama', { kvHeads: (heads) => heads, maxPositions: 2048 });
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
  const spec = parse(fields, 'mistral', { kvHeads: () => 8, maxPositions: 131_072 });
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

function parse(fields: ConfigFields, modelType: string, defaults: Defaults): DecoderSpec {
  const vocabSize = fields.integer('vocab_size', 1);
  const hiddenSize = fields.integer('hidden_size', 1);
  const heads = fields.integer('num_attention_heads', 1);
  const kvHeads = fields.integer('num_key_value_heads', 1, defaults.kvHeads(heads));
  if (heads % kvHeads !== 0) throw fields.wrong('num_key_value_heads', `a divisor of num_attention_heads, ${heads}`);
  const headDim = readHeadDim(fields, hiddenSize, heads);
  const maxPositions = fields.integer('max_position_embeddings', 1, defaults.maxPositions);
  const rope = readRope(fields, maxPositions);
  const tiedHead = fields.boolean('tie_word_embeddings', false);
  const activation = ACTIVATIONS[fields.string('hidden_act', 'silu')];
  if (activation === undefined) throw fields.wrong('hidden_act', Object.keys(ACTIVATIONS).join(', '));
  if (fields.has('attention_dropout')) {
    const dropout = fields.number('attention_dropout', 0, 1);
    if (dropout !== 0) fields.note(`attention_dropout ${dropout} is not applied in training`);
  }
  return {
    modelType,
    vocabSize,
    hiddenSize,
    numLayers: fields.integer('num_hidden_layers', 1),
    maxPositions,
    norm: { kind: 'rms', eps: fields.positive('rms_norm_eps', 1e-6) },
    position: { kind: 'rotary', dim: headDim, ...rope },
    attention: { heads, kvHeads, headDim, scale: headDim ** -0.5, qkvBias: false, outBias: false, qkNorm: false },
    mlp: { kind: 'gated', activation, intermediateSize: fields.integer('intermediate_size', 1), bias: false },
    parallelResidual: false,
    tiedHead,
    bosTokenId: fields.tokenIds('bos_token_id', vocabSize, [1])[0],
    eosTokenIds: fields.tokenIds('eos_token_id', vocabSize, [2]),
    padTokenId: fields.tokenIds('pad_token_id', vocabSize, [])[0],
    names: llamaNames(tiedHead),
  };
}

function readHeadDim(fields: ConfigFields, hiddenSize: number, heads: number): number {
  if (!fields.has('head_dim') && hiddenSize % heads !== 0) {
    throw fields.wrong('num_attention_heads', `a divisor of hidden_size, ${hiddenSize}, when head_dim is not given`);
  }
  const headDim = fields.integer('head_dim', 2, hiddenSize / heads);
  if (headDim % 2 !== 0) throw fields.wrong('head_dim', 'an even number: rotary embedding turns pairs');
  return headDim;
}

/** Checkpoint names of `LlamaForCausalLM` and of the families that copy its layout. */
export function llamaNames(tiedHead: boolean): WeightNames {
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
        qNorm: undefined,
        kNorm: undefined,
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

/** The part of config.json that `LlamaConfig` or `MistralConfig` reads, in transformers 5's spelling. */
export function llamaToConfig(spec: DecoderSpec): { [key: string]: unknown } {
  const { attention, mlp, position } = spec;
  if (position.kind !== 'rotary') throw new LlmkitError('bug', `${spec.modelType} without rotary positions`);
  const isMistral = spec.modelType === 'mistral';
  return {
    architectures: [isMistral ? 'MistralForCausalLM' : 'LlamaForCausalLM'],
    attention_dropout: 0,
    head_dim: attention.headDim,
    hidden_act: mlp.activation === 'gelu_tanh' ? 'gelu_pytorch_tanh' : mlp.activation,
    hidden_size: spec.hiddenSize,
    intermediate_size: mlp.intermediateSize,
    max_position_embeddings: spec.maxPositions,
    num_attention_heads: attention.heads,
    num_hidden_layers: spec.numLayers,
    num_key_value_heads: attention.kvHeads,
    rms_norm_eps: spec.norm.eps,
    rope_parameters: ropeToConfig(position),
    tie_word_embeddings: spec.tiedHead,
    vocab_size: spec.vocabSize,
    ...(isMistral ? { sliding_window: null } : { attention_bias: attention.qkvBias, mlp_bias: mlp.bias }),
  };
}
