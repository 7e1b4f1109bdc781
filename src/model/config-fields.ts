import { LlmkitError } from '../core/errors.ts';
import type { JsonObject } from '../io/json-file.ts';

/** Fields of transformers' base config that say nothing about what the decoder computes. */
const WITHOUT_EFFECT = new Set(
  (
    '_name_or_path _attn_implementation_autoset _attn_implementation architectures model_type transformers_version ' +
    'torch_dtype dtype use_cache initializer_range pretraining_tp return_dict output_attentions output_hidden_states ' +
    'torchscript chunk_size_feed_forward id2label label2id problem_type task_specific_params tokenizer_class prefix ' +
    'bos_token_id eos_token_id pad_token_id sep_token_id decoder_start_token_id finetuning_task ' +
    'max_length min_length do_sample temperature top_k top_p typical_p repetition_penalty length_penalty num_beams ' +
    'num_beam_groups diversity_penalty early_stopping no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids ' +
    'num_return_sequences output_scores return_dict_in_generate forced_bos_token_id forced_eos_token_id ' +
    'remove_invalid_values exponential_decay_length_penalty suppress_tokens begin_suppress_tokens tf_legacy_loss ' +
    'use_bfloat16 cross_attention_hidden_size add_cross_attention tie_encoder_decoder is_decoder'
  ).split(/\s+/),
);

/**
 * Fields that change what a decoder computes, with the values at which they do not.
 * A family that knows such a field reads it; at any other value in another family the result would be silently wrong.
 */
const NEUTRAL: Record<string, readonly unknown[]> = {
  quantization_config: [null],
  compression_config: [null],
  auto_map: [null],
  sliding_window: [null],
  use_sliding_window: [false, null],
  layer_types: [null],
  attention_bias: [false, null],
  mlp_bias: [false, null],
  partial_rotary_factor: [1, null],
  rotary_pct: [1, null],
  rope_interleaved: [false, null],
  rope_local_base_freq: [null],
  no_rope_layers: [null],
  no_rope_layer_interval: [null, 0],
  attn_logit_softcapping: [null],
  final_logit_softcapping: [null],
  query_pre_attn_scalar: [null],
  clip_qkv: [null],
  qk_layernorm: [false, null],
  use_qk_norm: [false, null],
  qk_norm: [false, null],
  alibi: [false, null],
  parallel_attn: [false, null],
  use_parallel_residual: [false, null],
  scale_attn_by_inverse_layer_idx: [false, null],
  embedding_multiplier: [1, null],
  residual_multiplier: [1, null],
  attention_multiplier: [null],
  logits_scaling: [1, null],
  logit_scale: [1, null],
  scale_embeddings: [false, null],
  num_experts: [null, 0],
  num_local_experts: [null, 0],
  num_nextn_predict_layers: [null, 0],
  is_encoder_decoder: [false, null],
  pruned_heads: [null],
};

/** Reads a config.json field by field, keeps note of what was assumed, and refuses what would be computed wrongly. */
export class ConfigFields {
  readonly #fields: JsonObject;
  readonly #where: string;
  readonly #prefix: string;
  readonly #read = new Set<string>();
  /** One line for each default that was taken and each field that has no effect here. */
  readonly notes: string[] = [];

  /**
   * @param where the file, for errors and notes
   * @param prefix the key path of this object inside the file, ending in a dot
   */
  constructor(fields: JsonObject, where: string, prefix = '') {
    this.#fields = fields;
    this.#where = where;
    this.#prefix = prefix;
  }

  /** Present and not null. Marks the field as read. */
  has(name: string): boolean {
    this.#read.add(name);
    return this.#fields[name] !== undefined && this.#fields[name] !== null;
  }

  /** Present and null, which is to say: explicitly not. */
  isNull(name: string): boolean {
    return this.#fields[name] === null;
  }

  /** A whole number of at least `min`; without `fallback` the field must be there. */
  integer(name: string, min: number, fallback?: number): number {
    if (!this.has(name)) return this.#missing(name, `a whole number of at least ${min}`, fallback);
    const value = this.#fields[name];
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min) return value;
    throw this.wrong(name, `a whole number of at least ${min}`);
  }

  /** A finite number above 0; without `fallback` the field must be there. */
  positive(name: string, fallback?: number): number {
    if (!this.has(name)) return this.#missing(name, 'a number above 0', fallback);
    const value = this.#fields[name];
    if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
    throw this.wrong(name, 'a number above 0');
  }

  /** A number from `min` to `max`; the field must be there. */
  number(name: string, min: number, max: number): number {
    const expected = `a number from ${min} to ${max}`;
    if (!this.has(name)) return this.#missing<number>(name, expected, undefined);
    const value = this.#fields[name];
    if (typeof value === 'number' && value >= min && value <= max) return value;
    throw this.wrong(name, expected);
  }

  boolean(name: string, fallback?: boolean): boolean {
    if (!this.has(name)) return this.#missing(name, 'true or false', fallback);
    const value = this.#fields[name];
    if (typeof value === 'boolean') return value;
    throw this.wrong(name, 'true or false');
  }

  string(name: string, fallback?: string): string {
    if (!this.has(name)) return this.#missing(name, 'a string', fallback);
    const value = this.#fields[name];
    if (typeof value === 'string') return value;
    throw this.wrong(name, 'a string');
  }

  /** A token id, a list of them where `eos_token_id` may be one, or none at all; all below `vocabSize`. */
  tokenIds(name: string, vocabSize: number, fallback: number[]): number[] {
    this.#read.add(name);
    const value = this.#fields[name];
    if (value === null) return [];
    if (value === undefined) {
      const known = fallback.filter((id) => id < vocabSize);
      return this.#missing(name, 'a token id', known);
    }
    const ids = Array.isArray(value) ? (value as unknown[]) : [value];
    for (const id of ids) {
      // -1 is how old checkpoints say that there is no such token.
      if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < -1 || id >= vocabSize) {
        throw this.wrong(name, `token ids from 0 to ${vocabSize - 1}`);
      }
    }
    return (ids as number[]).filter((id) => id >= 0);
  }

  /** An object of its own, or undefined when the field is missing or null. Its notes are this reader's. */
  object(name: string): ConfigFields | undefined {
    if (!this.has(name)) return undefined;
    const value = this.#fields[name];
    if (typeof value !== 'object' || Array.isArray(value)) throw this.wrong(name, 'an object');
    return new ConfigFields(value as JsonObject, this.#where, `${this.#prefix}${name}.`);
  }

  /** The error for a field whose value cannot be used. */
  wrong(name: string, expected: string, hint?: string): LlmkitError {
    const details = { where: this.#at(name), expected, got: JSON.stringify(this.#fields[name]) ?? 'nothing' };
    return new LlmkitError('data', `${this.#prefix}${name} has a value that cannot be used`, {
      ...details,
      ...(hint === undefined ? {} : { hint }),
    });
  }

  note(line: string): void {
    this.notes.push(line);
  }

  /**
   * Looks at every field that nobody read: one that changes the result throws, an unknown one becomes a note.
   *
   * @param family for the text, e.g. `llama`
   */
  finish(family: string): void {
    for (const [name, value] of Object.entries(this.#fields)) {
      if (this.#read.has(name) || WITHOUT_EFFECT.has(name)) continue;
      const neutral = NEUTRAL[name];
      if (neutral === undefined) {
        this.note(`${this.#prefix}${name} is not read: it is no field of ${family} in transformers`);
        continue;
      }
      if (neutral.includes(value) || isPlain(value)) continue;
      throw new LlmkitError(
        'data',
        `${this.#prefix}${name} changes what the model computes, and llmkit does not know it for ${family}`,
        {
          where: this.#at(name),
          expected: `${neutral.map((item) => JSON.stringify(item)).join(' or ')}, or no such field`,
          got: JSON.stringify(value),
        },
      );
    }
  }

  /** The nested reader's fields must all have been read: every one of them means something. */
  finishStrict(): void {
    for (const [name, value] of Object.entries(this.#fields)) {
      if (this.#read.has(name) || value === null) continue;
      throw new LlmkitError('data', `${this.#prefix}${name} is not a field llmkit knows here`, {
        where: this.#at(name),
        got: JSON.stringify(value),
      });
    }
  }

  #missing<T>(name: string, expected: string, fallback: T | undefined): T {
    if (fallback === undefined) {
      throw new LlmkitError('data', `${this.#prefix}${name} is missing`, { where: this.#at(name), expected });
    }
    this.note(`${this.#prefix}${name} is not given: ${JSON.stringify(fallback)}, the default in transformers`);
    return fallback;
  }

  #at(name: string): string {
    return `${this.#where}: ${this.#prefix}${name}`;
  }
}

/** Nothing in it, or a list that says of every layer what is so anyway. */
function isPlain(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).every((item) => item === 'full_attention');
}
