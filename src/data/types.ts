import type { ChatMessage } from '../tokenizer/index.ts';

/** What one row teaches, after its columns were mapped. */
export type Example = TextExample | ChatExample | PromptExample | PreferenceExample;

export interface TextExample {
  type: 'text';
  text: string;
}

export interface ChatExample {
  type: 'messages';
  /** A message with `train: false` or `weight: 0` carries no loss. */
  messages: ChatMessage[];
  /** Tool descriptions (JSON schemas) for the chat template. */
  tools?: unknown[];
}

export interface PromptExample {
  type: 'prompt-completion';
  prompt: string;
  completion: string;
  system?: string;
  /** The prompt came out of a prompt_template: the chat template stays out of it. */
  plain?: true;
}

/** One prompt with a better and a worse answer; prompt and answers are all text, or all lists of messages. */
export interface PreferenceExample {
  type: 'preference';
  prompt: string | ChatMessage[];
  chosen: string | ChatMessage[];
  rejected: string | ChatMessage[];
  system?: string;
}

export interface Row {
  /** `train.jsonl:12` or `train.csv row 11`: what messages and the report call it. */
  id: string;
  example: Example;
}

/** One training example as tokens, before packing. */
export interface Encoded {
  id: string;
  /** Token ids [n]. */
  inputIds: Int32Array;
  /** [n], 1 where the token is a target. The first token never is: nothing in the example comes before it. */
  isTarget: Uint8Array;
}

/** A preference row as tokens: both sequences begin with the prompt, and only the answers are targets. */
export interface EncodedPair {
  id: string;
  chosen: Encoded;
  rejected: Encoded;
}

/** What becomes of a row before packing: one sequence, or the two of a preference row. */
export type Item = Encoded | EncodedPair;

/** What the rows of a prepared/ folder are: packed documents, or preference pairs. */
export type PreparedKind = 'packed' | 'pairs';

/** The label of a token that carries no loss, as in HF. */
export const IGNORE = -100;

export type SplitName = 'train' | 'validation';
