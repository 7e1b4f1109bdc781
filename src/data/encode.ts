import { LlmkitError } from '../core/errors.ts';
import type { ChatMessage, Tokenizer } from '../tokenizer/index.ts';
import { encodeChat } from './chat-mask.ts';
import { SpecialTokens } from './special-tokens.ts';
import type { Encoded, Example, Row } from './types.ts';

/** How the rows of a dataset became text, for the report. */
export type Rendering = 'text' | 'chat template' | 'prompt template' | 'plain prompt and completion';

/** Rows to tokens and targets. */
export class Encoder {
  readonly special: SpecialTokens;
  /** Rows by how they were rendered. */
  readonly renderings = new Map<Rendering, number>();
  /** Tokens that end a trained answer, and how often: generation has to stop at them. */
  readonly stops = new Map<number, number>();
  readonly #tokenizer: Tokenizer;
  readonly #trainOn: 'answers' | 'all';
  readonly #eos: number;

  constructor(tokenizer: Tokenizer, trainOn: 'answers' | 'all', where: string) {
    if (tokenizer.eosTokenId === undefined) {
      throw new LlmkitError('data', 'the tokenizer has no EOS token: documents could not be told apart', {
        where,
        hint: 'set eos_token in its tokenizer_config.json',
      });
    }
    this.special = new SpecialTokens(tokenizer);
    this.#tokenizer = tokenizer;
    this.#trainOn = trainOn;
    this.#eos = tokenizer.eosTokenId;
  }

  /**
   * Plain text: the document with the tokenizer's own BOS, then EOS; all of it is target.
   * Conversations: the chat template, the assistant's turns are targets. Prompt and completion: as a conversation of two
   * turns where there is a chat template; otherwise prompt, completion and EOS, the last two being targets.
   *
   * @throws LlmkitError('data') at the row.
   */
  encode(row: Row): Encoded {
    try {
      const { inputIds, isTarget } = this.#encode(row.example);
      // Nothing predicts the first token of a document.
      if (isTarget.length > 0) isTarget[0] = 0;
      return { id: row.id, inputIds: Int32Array.from(inputIds), isTarget: Uint8Array.from(isTarget) };
    } catch (error) {
      if (!(error instanceof LlmkitError)) throw error;
      const { kind, message, expected, got, hint } = error.toJSON();
      const details = { where: row.id, expected, got, hint, cause: error };
      throw new LlmkitError(
        kind,
        message,
        Object.fromEntries(Object.entries(details).filter(([, value]) => value !== undefined)),
      );
    }
  }

  #encode(example: Example): { inputIds: ArrayLike<number>; isTarget: number[] } {
    if (example.type === 'text') return this.#text(example.text);
    if (example.type === 'messages') return this.#chat(example.messages);
    const { prompt, completion, system, plain } = example;
    if (plain !== true && this.#tokenizer.chatTemplate !== undefined) {
      const messages: ChatMessage[] = system === undefined ? [] : [{ role: 'system', content: system }];
      return this.#chat([...messages, { role: 'user', content: prompt }, { role: 'assistant', content: completion }]);
    }
    if (plain !== true && system !== undefined) {
      throw new LlmkitError('data', 'there is no place for the system text', {
        hint: 'the tokenizer has no chat template: set prepare.chat_template, or prompt_template with {system} in it',
      });
    }
    this.#count(plain === true ? 'prompt template' : 'plain prompt and completion');
    return this.#plain(prompt, completion);
  }

  #text(text: string): { inputIds: number[]; isTarget: number[] } {
    this.#count('text');
    const inputIds = [...this.#tokenizer.encode(text, { addSpecialTokens: true })];
    if (inputIds.at(-1) !== this.#eos) inputIds.push(this.#eos);
    return { inputIds, isTarget: inputIds.map(() => 1) };
  }

  #plain(prompt: string, completion: string): { inputIds: number[]; isTarget: number[] } {
    let before = [...this.#tokenizer.encode(prompt, { addSpecialTokens: true })];
    // A tokenizer that ends every text in EOS would end the prompt too.
    if (before.at(-1) === this.#eos) before = before.slice(0, -1);
    const answer =
      completion.trim() === '' ? [] : [...this.#tokenizer.encode(completion, { addSpecialTokens: false }), this.#eos];
    if (answer.length > 0) this.#stop(this.#eos);
    const others = this.#trainOn === 'all' ? 1 : 0;
    return { inputIds: [...before, ...answer], isTarget: [...before.map(() => others), ...answer.map(() => 1)] };
  }

  #chat(messages: ChatMessage[]): { inputIds: number[]; isTarget: number[] } {
    if (this.#tokenizer.chatTemplate === undefined) {
      throw new LlmkitError('config', 'there are conversations, and the tokenizer has no chat template', {
        hint: 'set prepare.chat_template to a .jinja file, or use the tokenizer of an instruction-tuned model',
      });
    }
    this.#count('chat template');
    const { inputIds, isTarget, stops } = encodeChat(messages, this.#tokenizer, this.special, this.#trainOn);
    stops.forEach((id) => this.#stop(id));
    return { inputIds, isTarget };
  }

  #count(rendering: Rendering): void {
    this.renderings.set(rendering, (this.renderings.get(rendering) ?? 0) + 1);
  }

  #stop(id: number): void {
    this.stops.set(id, (this.stops.get(id) ?? 0) + 1);
  }
}

/** Tokens that carry loss. */
export function countTargets(encoded: Encoded): number {
  let count = 0;
  for (const target of encoded.isTarget) count += target;
  return count;
}
