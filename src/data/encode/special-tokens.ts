import type { Tokenizer } from '../../tokenizer/index.ts';
import { textsOf } from '../texts.ts';
import type { Example } from '../types.ts';

const known = new WeakMap<Tokenizer, SpecialTokens>();

/** Which ids are special (control) tokens: those that decoding may skip. */
export class SpecialTokens {
  readonly #tokenizer: Tokenizer;
  readonly #known = new Map<number, boolean>();
  #finder: TextFinder | undefined;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  /** One for a tokenizer: listing its special tokens takes a walk through the vocabulary. */
  static of(tokenizer: Tokenizer): SpecialTokens {
    const special = known.get(tokenizer) ?? new SpecialTokens(tokenizer);
    known.set(tokenizer, special);
    return special;
  }

  has(id: number): boolean {
    let special = this.#known.get(id);
    if (special === undefined) {
      special = this.#isSpecial(id);
      this.#known.set(id, special);
    }
    return special;
  }

  /**
   * The special token that stands in the text of an example (tool calls included), if one does: the encoder would take
   * it for a control token, so a row could end a turn or open one.
   */
  foundIn(example: Example): string | undefined {
    const finder = (this.#finder ??= new TextFinder(this.#list()));
    if (example.type === 'text') return finder.find(example.text);
    for (const text of textsOf(example)) {
      const found = finder.find(text);
      if (found !== undefined) return found;
    }
    if (example.type !== 'messages') return undefined;
    for (const { tool_calls: calls } of example.messages) {
      const found = calls === undefined ? undefined : finder.find(JSON.stringify(calls));
      if (found !== undefined) return found;
    }
    return example.tools === undefined ? undefined : finder.find(JSON.stringify(example.tools));
  }

  #isSpecial(id: number): boolean {
    return this.#tokenizer.decode([id], { skipSpecialTokens: true }) === '' && this.#tokenizer.decode([id]) !== '';
  }

  #list(): string[] {
    const texts: string[] = [];
    for (let id = 0; id < this.#tokenizer.vocabSize; id++) {
      const text = this.#tokenizer.idToToken(id);
      if (text !== undefined && text !== '' && this.#isSpecial(id)) texts.push(text);
    }
    return texts;
  }
}

/** Finds any of many words in texts: one pattern of their beginnings, then a look into a set at each place it matches. */
class TextFinder {
  readonly #pattern: RegExp | undefined;
  /** Beginning: the words' lengths, longest first. */
  readonly #lengths = new Map<string, number[]>();
  readonly #words: ReadonlySet<string>;

  constructor(words: readonly string[]) {
    this.#words = new Set(words);
    for (const word of this.#words) {
      const lengths = this.#lengths.get(beginning(word)) ?? [];
      if (!lengths.includes(word.length)) lengths.push(word.length);
      this.#lengths.set(
        beginning(word),
        lengths.sort((a, b) => b - a),
      );
    }
    // Where a word of one unit begins another, both are to be looked for.
    for (const [text, lengths] of this.#lengths) if (text.length > 1 && this.#words.has(text[0]!)) lengths.push(1);
    const sources = [...this.#lengths.keys()].map((text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`));
    if (sources.length > 0) this.#pattern = new RegExp(sources.sort((a, b) => b.length - a.length).join('|'), 'g');
  }

  /** The first of the words in the text. */
  find(text: string): string | undefined {
    const pattern = this.#pattern;
    if (pattern === undefined) return undefined;
    pattern.lastIndex = 0;
    for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
      for (const length of this.#lengths.get(match[0])!) {
        const word = text.slice(match.index, match.index + length);
        if (this.#words.has(word)) return word;
      }
      pattern.lastIndex = match.index + 1;
    }
    return undefined;
  }
}

/** Two units tell `<|` from the `<` of running text; a word of one unit has but one. */
function beginning(word: string): string {
  return word.slice(0, 2);
}
