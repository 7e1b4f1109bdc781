import type { Tokenizer } from '../tokenizer/index.ts';
import type { Example } from './types.ts';

/** Which ids are special (control) tokens: those that decoding may skip. */
export class SpecialTokens {
  readonly #tokenizer: Tokenizer;
  readonly #known = new Map<number, boolean>();
  #texts: string[] | undefined;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  has(id: number): boolean {
    let special = this.#known.get(id);
    if (special === undefined) {
      const text = this.#tokenizer.decode([id]);
      special = text !== '' && this.#tokenizer.decode([id], { skipSpecialTokens: true }) === '';
      this.#known.set(id, special);
    }
    return special;
  }

  /**
   * The special token that stands in the text of an example, if one does: the encoder would take it for a control
   * token, so a row could end a turn or open one.
   */
  foundIn(example: Example): string | undefined {
    this.#texts ??= this.#list();
    const texts =
      example.type === 'text'
        ? [example.text]
        : example.type === 'messages'
          ? example.messages.map((message) => message.content)
          : [example.prompt, example.completion];
    return this.#texts.find((token) => texts.some((text) => text.includes(token)));
  }

  #list(): string[] {
    const texts: string[] = [];
    for (let id = 0; id < this.#tokenizer.vocabSize; id++) {
      if (this.#tokenizer.idToToken(id) !== undefined && this.has(id)) texts.push(this.#tokenizer.idToToken(id)!);
    }
    return texts;
  }
}
