/**
 * A decoder-only transformer as data. One file per `model_type` turns a `config.json` into this;
 * `src/decoder` builds one graph from it, whatever the family.
 */
export interface DecoderSpec {
  /** `model_type` of config.json. */
  modelType: string;
  vocabSize: number;
  hiddenSize: number;
  numLayers: number;
  /** Longest context the checkpoint was made for, in tokens. */
  maxPositions: number;
  norm: NormSpec;
  position: PositionSpec;
  attention: AttentionSpec;
  mlp: MlpSpec;
  /** The attention and MLP branches read the same input and are added together (GPT-NeoX, GPT-J). */
  parallelResidual: boolean;
  /** The head is the embedding, transposed. */
  tiedHead: boolean;
  bosTokenId: number | undefined;
  eosTokenIds: number[];
  padTokenId: number | undefined;
  /** Where each weight of the graph lies in the checkpoint. */
  names: WeightNames;
}

export interface NormSpec {
  kind: 'rms' | 'layer';
  eps: number;
}

export type PositionSpec =
  | { kind: 'learned' }
  | {
      kind: 'rotary';
      theta: number;
      /** How many of the head's leading dimensions turn; the head's size, or a fraction of it (GPT-NeoX). */
      dim: number;
      scaling: RopeScaling | undefined;
    };

/** Rotary scaling by transformers' `rope_type` names; see transformers' modeling_rope_utils for each formula. */
export type RopeScaling =
  | { type: 'linear'; factor: number }
  | { type: 'llama3'; factor: number; lowFreqFactor: number; highFreqFactor: number; originalMaxPositions: number };

export interface AttentionSpec {
  heads: number;
  kvHeads: number;
  headDim: number;
  /** Multiplied into the scores: 1/sqrt(headDim) unless the family says otherwise. */
  scale: number;
  qkvBias: boolean;
  outBias: boolean;
  /** RMS norm over each head of q and k (Qwen3). */
  qkNorm: boolean;
}

export interface MlpSpec {
  /** gated: down(act(gate(x)) * up(x)); plain: down(act(up(x))). */
  kind: 'gated' | 'plain';
  activation: 'silu' | 'gelu' | 'gelu_tanh';
  intermediateSize: number;
  bias: boolean;
}

/** The linear layers of a block, by the field's names; `all-linear` means all that the family has. */
export type LinearRole = 'q_proj' | 'k_proj' | 'v_proj' | 'o_proj' | 'gate_proj' | 'up_proj' | 'down_proj';

/** Rows of a fused matrix: `count` runs of `size` rows, the first at `start`, each `stride` rows after the one before. */
export interface RowRuns {
  start: number;
  size: number;
  stride: number;
  count: number;
}

/** A matrix in the checkpoint. Stored [out, in] unless `transposed` (GPT-2's Conv1D stores [in, out]). */
export interface MatrixName {
  /** Module path without `.weight`, e.g. `model.layers.0.self_attn.q_proj`. */
  module: string;
  transposed?: boolean;
  /** For fused matrices: which rows (of the [out, in] view) belong to this role. */
  rows?: RowRuns;
}

export interface WeightNames {
  embedding: string;
  positionEmbedding: string | undefined;
  finalNorm: string;
  /** Undefined when the head is tied. */
  head: string | undefined;
  /** What the family calls its head (`lm_head`, `embed_out`), tied or not. */
  headModule: string;
  layer(index: number): LayerNames;
}

/** Norm names are module paths: `.weight` and, for layer norms, `.bias` follow. */
export interface LayerNames {
  attentionNorm: string;
  mlpNorm: string;
  qNorm: string | undefined;
  kNorm: string | undefined;
  linear: Partial<Record<LinearRole, MatrixName>>;
}
