import type { ChatMessage } from '../tokenizer/index.ts';

/** What one row teaches, after its columns were mapped. */
export type Example =
  | { type: 'text'; text: string }
  | { type: 'messages'; messages: ChatMessage[] }
  | {
      type: 'prompt-completion';
      prompt: string;
      completion: string;
      system?: string;
      /** The prompt came out of a prompt_template: the chat template stays out of it. */
      plain?: true;
    };

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

/** The label of a token that carries no loss, as in HF. */
export const IGNORE = -100;

export type SplitName = 'train' | 'validation';

/** What `prepare` leaves in memory for its result and writes to report.json. */
export interface FunnelStep {
  stage: string;
  rows: number;
  /** Rows lost on the way into this stage. */
  dropped: number;
  /** Why, when rows were lost; what was done otherwise. */
  note: string;
  /** From the encoding on. */
  tokens?: number;
}
