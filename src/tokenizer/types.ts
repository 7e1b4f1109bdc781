import type { IdBuffer } from './id-buffer.ts';

/** A chat message as templates read it; other fields it has reach the template as well. */
export interface ChatMessage {
  role: string;
  content: string;
  name?: string;
  tool_calls?: unknown;
}

export interface ChatOptions {
  /** Ends the text with the opening of the assistant's turn. Default false. */
  addGenerationPrompt?: boolean;
  /** Tool descriptions (JSON schemas) for templates that know tools. */
  tools?: unknown;
  /** More variables for the template, e.g. `{ enable_thinking: false }`. */
  variables?: Record<string, unknown>;
}

/** Turns ids into text as they come, and never splits a UTF-8 character. */
export interface StreamDecoder {
  /** The text that is complete after this id; empty while a character is still missing bytes. */
  push(id: number): string;
  /** What is left at the end; an unfinished character comes out as U+FFFD. */
  flush(): string;
}

/** What turns text into ids and back, without what the tokenizer's configuration adds. */
export interface TextCoder {
  /** Who does the work: llmkit's own encoder, or the library for kinds of tokenizer it does not cover. */
  readonly implementation: 'llmkit byte-level BPE' | '@huggingface/tokenizers';
  /** The largest id plus one: the rows an embedding needs. */
  readonly vocabSize: number;
  /** Lone surrogates are read as U+FFFD. Special tokens in the text are recognized, as HF tokenizers does. */
  encode(text: string, options?: { addSpecialTokens?: boolean }): Int32Array;
  /** `encode` without an array of its own: appends the ids to `out`, which many texts may share. */
  encodeInto(text: string, out: IdBuffer, options?: { addSpecialTokens?: boolean }): void;
  /** Bytes that are not UTF-8 become U+FFFD. Throws `data` for an id that is not in the vocabulary. */
  decode(ids: ArrayLike<number>, options?: { skipSpecialTokens?: boolean }): string;
  tokenToId(token: string): number | undefined;
  idToToken(id: number): string | undefined;
  streamDecoder(options?: { skipSpecialTokens?: boolean }): StreamDecoder;
}

export interface Tokenizer extends TextCoder {
  /** Why llmkit's own encoder does not cover this tokenizer, when `implementation` is the library. */
  readonly fallbackReason: string | undefined;
  readonly bosTokenId: number | undefined;
  readonly eosTokenId: number | undefined;
  readonly padTokenId: number | undefined;
  /** bos_token, eos_token, ... as the configuration names them. */
  readonly specialTokens: Readonly<Record<string, string>>;
  readonly chatTemplate: string | undefined;
  /** model_max_length of the configuration; undefined when it is absent or transformers' "very large". */
  readonly modelMaxLength: number | undefined;
  /** Renders the chat template as transformers' apply_chat_template(tokenize=False). Throws `data` when there is none. */
  applyChatTemplate(messages: ChatMessage[], options?: ChatOptions): string;
}

export interface AddedTokenJson {
  id: number;
  content: string;
  single_word: boolean;
  lstrip: boolean;
  rstrip: boolean;
  normalized: boolean;
  special: boolean;
}

/** A component of tokenizer.json (normalizer, pre-tokenizer, post-processor, decoder): a type and its settings. */
export interface ComponentJson {
  type: string;
  [setting: string]: unknown;
}

export interface BpeModelJson {
  type: 'BPE';
  dropout: number | null;
  unk_token: string | null;
  continuing_subword_prefix: string | null;
  end_of_word_suffix: string | null;
  fuse_unk: boolean;
  byte_fallback: boolean;
  ignore_merges: boolean;
  vocab: Record<string, number>;
  merges: [string, string][];
}

/** tokenizer.json as HF tokenizers writes it. */
export interface TokenizerJson<Model extends { type: string } = BpeModelJson> {
  version: string;
  truncation: unknown;
  padding: unknown;
  added_tokens: AddedTokenJson[];
  normalizer: ComponentJson | null;
  pre_tokenizer: ComponentJson | null;
  post_processor: ComponentJson | null;
  decoder: ComponentJson | null;
  model: Model;
}
