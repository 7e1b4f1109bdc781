import { LlmkitError } from '../../core/errors.ts';
import type { ChatMessage, Tokenizer } from '../../tokenizer/index.ts';
import type { Encoded, EncodedPair, Example, PreferenceExample, PromptExample, Row } from '../types.ts';
import { ChatEncoder } from './chat-mask.ts';
import { SpecialTokens } from './special-tokens.ts';
import type { TrainOn } from './train-marks.ts';

/** How the rows of a dataset became text, for the report. */
export type Rendering = 'text' | 'chat template' | 'prompt template' | 'plain prompt and completion';

type Tokens = Pick<Encoded, 'inputIds' | 'isTarget'>;

/** Rows to tokens and targets. */
export class Encoder {
  readonly special: SpecialTokens;
  /** Rows by how they were rendered. */
  readonly renderings = new Map<Rendering, number>();
  /** Tokens that end a trained answer, and how often: generation has to stop at them. */
  readonly stops = new Map<number, number>();
  readonly #tokenizer: Tokenizer;
  readonly #trainOn: TrainOn;
  readonly #eos: number;
  readonly #chats: ChatEncoder;

  constructor(tokenizer: Tokenizer, trainOn: TrainOn, where: string) {
    if (tokenizer.eosTokenId === undefined) {
      throw new LlmkitError('data', 'the tokenizer has no EOS token: documents could not be told apart', {
        where,
        hint: 'set eos_token in its tokenizer_config.json',
      });
    }
    this.special = SpecialTokens.of(tokenizer);
    this.#tokenizer = tokenizer;
    this.#trainOn = trainOn;
    this.#eos = tokenizer.eosTokenId;
    this.#chats = new ChatEncoder(tokenizer, this.special, trainOn);
  }

  /**
   * Plain text: the document with the tokenizer's own BOS, then EOS; all of it is target.
   * Conversations: the chat template, the assistant's turns are targets. Prompt and completion: as a conversation of two
   * turns where there is a chat template; otherwise prompt, completion and EOS, the last two being targets. Preference
   * rows: the prompt with the chosen answer.
   *
   * @throws LlmkitError('data') at the row.
   */
  encode(row: Row): Encoded {
    return this.#located(row, () => encoded(row.id, this.#encode(row.example)));
  }

  /**
   * A preference row as two sequences that begin with the same prompt tokens, which carry no loss in either.
   *
   * @throws LlmkitError('data') at the row, also for rows of other types.
   */
  encodePair(row: Row): EncodedPair {
    return this.#located(row, () => {
      const { example } = row;
      if (example.type !== 'preference') throw notAPair(example);
      const answers = ['chosen', 'rejected'] as const;
      const [chosen, rejected] = answers.map((answer) => encoded(row.id, this.#answer(example, answer)));
      return { id: row.id, chosen: chosen!, rejected: rejected! };
    });
  }

  #located<T>(row: Row, work: () => T): T {
    try {
      return work();
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

  #encode(example: Example): Tokens {
    switch (example.type) {
      case 'text':
        return this.#text(example.text);
      case 'messages':
        return this.#chat(example.messages, example.tools);
      case 'prompt-completion':
        return this.#prompted(example, this.#trainOn);
      case 'preference': {
        const { prompt, chosen, system } = example;
        const begin = typeof prompt === 'string' ? turn('user', prompt) : prompt;
        if (typeof prompt !== 'string' || typeof chosen !== 'string') {
          return this.#chat([...systemTurn(system, begin), ...begin, ...answerTurns(chosen)]);
        }
        return this.#prompted(asPrompt(prompt, chosen, system), this.#trainOn);
      }
    }
  }

  /** One answer of a preference row: only what differs from the prompt is trained, whatever `train_on` says of prompts. */
  #answer(example: PreferenceExample, answer: 'chosen' | 'rejected'): Tokens {
    const { prompt, system } = example;
    const given = example[answer];
    if (typeof prompt === 'string' && typeof given === 'string' && !this.#hasTemplate) {
      return this.#prompted(asPrompt(prompt, given, system), 'answers');
    }
    const begin = typeof prompt === 'string' ? turn('user', prompt) : prompt;
    const opening = [...systemTurn(system, begin), ...begin];
    const shared = sharedTurns(example.chosen, example.rejected);
    return this.#chat([...opening, ...answerTurns(given)], undefined, opening.length + shared);
  }

  get #hasTemplate(): boolean {
    return this.#tokenizer.chatTemplate !== undefined;
  }

  #prompted({ prompt, completion, system, plain }: PromptExample, trainOn: TrainOn): Tokens {
    if (plain !== true && this.#hasTemplate) {
      const messages = [...turn('user', prompt), ...turn('assistant', completion)];
      return this.#chat([...systemTurn(system, messages), ...messages]);
    }
    if (plain !== true && system !== undefined) {
      throw new LlmkitError('data', 'there is no place for the system text', {
        hint: 'the tokenizer has no chat template: set prepare.chat_template, or prompt_template with {system} in it',
      });
    }
    this.#count(plain === true ? 'prompt template' : 'plain prompt and completion');
    return this.#plain(prompt, completion, trainOn);
  }

  #text(text: string): Tokens {
    this.#count('text');
    const ids = this.#tokenizer.encode(text, { addSpecialTokens: true });
    const inputIds = ids.at(-1) === this.#eos ? ids : joined(ids, Int32Array.of(this.#eos));
    return { inputIds, isTarget: new Uint8Array(inputIds.length).fill(1) };
  }

  #plain(prompt: string, completion: string, trainOn: TrainOn): Tokens {
    const ids = this.#tokenizer.encode(prompt, { addSpecialTokens: true });
    // A tokenizer that ends every text in EOS would end the prompt too.
    const before = ids.at(-1) === this.#eos ? ids.subarray(0, -1) : ids;
    const answer =
      completion.trim() === ''
        ? new Int32Array(0)
        : joined(this.#tokenizer.encode(completion, { addSpecialTokens: false }), Int32Array.of(this.#eos));
    if (answer.length > 0) this.#stop(this.#eos);
    const inputIds = joined(before, answer);
    return { inputIds, isTarget: new Uint8Array(inputIds.length).fill(1, trainOn === 'all' ? 0 : before.length) };
  }

  #chat(messages: ChatMessage[], tools?: unknown[], from?: number): Tokens {
    if (!this.#hasTemplate) {
      throw new LlmkitError('config', 'there are conversations, and the tokenizer has no chat template', {
        hint: 'set prepare.chat_template to a .jinja file, or use the tokenizer of an instruction-tuned model',
      });
    }
    this.#count('chat template');
    const { inputIds, isTarget, stops } = this.#chats.encode(messages, tools, from);
    for (const id of stops) this.#stop(id);
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
export function countTargets({ isTarget }: Pick<Encoded, 'isTarget'>): number {
  let count = 0;
  for (let i = 0; i < isTarget.length; i++) count += isTarget[i]!;
  return count;
}

function encoded(id: string, { inputIds, isTarget }: Tokens): Encoded {
  // Nothing predicts the first token of a document.
  if (isTarget.length > 0) isTarget[0] = 0;
  return { id, inputIds, isTarget };
}

function joined(a: Int32Array, b: Int32Array): Int32Array {
  const both = new Int32Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function turn(role: string, content: string): ChatMessage[] {
  return [{ role, content }];
}

/** The system text of a row as a turn, unless the conversation has one of its own. */
function systemTurn(system: string | undefined, messages: readonly ChatMessage[]): ChatMessage[] {
  return system === undefined || messages[0]?.role === 'system' ? [] : turn('system', system);
}

function answerTurns(answer: string | ChatMessage[]): ChatMessage[] {
  return typeof answer === 'string' ? turn('assistant', answer) : answer;
}

function asPrompt(prompt: string, completion: string, system: string | undefined): PromptExample {
  const example: PromptExample = { type: 'prompt-completion', prompt, completion };
  return system === undefined ? example : { ...example, system };
}

/** Turns with which both answers begin: whole conversations without a prompt of their own share it that way. */
function sharedTurns(chosen: string | ChatMessage[], rejected: string | ChatMessage[]): number {
  if (typeof chosen === 'string' || typeof rejected === 'string') return 0;
  let shared = 0;
  const most = Math.min(chosen.length, rejected.length);
  while (shared < most && JSON.stringify(chosen[shared]) === JSON.stringify(rejected[shared])) shared++;
  return shared;
}

function notAPair(example: Example): LlmkitError {
  return new LlmkitError('data', `a ${example.type} row among preference rows`, {
    expected: 'prompt, chosen and rejected in every row',
    hint: 'prepare the others by themselves, or set prepare.preference: chosen to train on the chosen answers with them',
  });
}
