import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers';
import { LlmkitError } from '../core/errors.ts';
import { wellFormed } from './byte-level.ts';
import type { IdBuffer } from './id-buffer.ts';
import type { StreamDecoder, TextCoder, TokenizerJson } from './types.ts';

const KINDS = ['BPE', 'WordPiece', 'Unigram'];

/**
 * Any tokenizer.json that is not byte-level BPE (SentencePiece-like, WordPiece, Unigram), through the library
 * @huggingface/tokenizers: right, and several times slower than `ByteLevelBpe`.
 */
export class LibraryCoder implements TextCoder {
  readonly implementation = '@huggingface/tokenizers';
  readonly vocabSize: number;
  readonly #library: LibraryTokenizer;

  /** @param where names the file in errors. Throws `data` for a tokenizer that the library does not know either. */
  constructor(json: TokenizerJson<{ type: string }>, config: Record<string, unknown>, where: string) {
    try {
      // Without this the library would guess a kind from the vocabulary's shape.
      if (!KINDS.includes(json.model.type)) throw new Error(`its model is "${json.model.type}"`);
      this.#library = new LibraryTokenizer(json, config);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new LlmkitError('data', `this tokenizer cannot be used: ${reason}`, {
        where,
        expected: 'byte-level BPE, or a kind that @huggingface/tokenizers reads',
        hint: "use a checkpoint of the Llama 3, Qwen, SmolLM or GPT-2 kind, or llmkit's own BPE (prepare.tokenizer)",
        cause,
      });
    }
    let largest = -1;
    for (const id of this.#library.get_vocab(true).values()) largest = Math.max(largest, id);
    this.vocabSize = largest + 1;
  }

  encode(text: string, { addSpecialTokens = false }: { addSpecialTokens?: boolean } = {}): Int32Array {
    return Int32Array.from(this.#library.encode(wellFormed(text), { add_special_tokens: addSpecialTokens }).ids);
  }

  encodeInto(text: string, out: IdBuffer, options?: { addSpecialTokens?: boolean }): void {
    out.append(this.encode(text, options));
  }

  decode(ids: ArrayLike<number>, { skipSpecialTokens = false }: { skipSpecialTokens?: boolean } = {}): string {
    const list = Array.from(ids);
    const unknown = list.find((id) => this.#library.id_to_token(id) === undefined);
    if (unknown !== undefined) {
      throw new LlmkitError('data', `token id ${unknown} is not in the vocabulary`, {
        expected: `an id from 0 to ${this.vocabSize - 1}`,
        got: String(unknown),
        hint: 'the ids were made by another tokenizer, or the model has more rows than its tokenizer has tokens',
      });
    }
    return list.length === 0 ? '' : this.#library.decode(list, { skip_special_tokens: skipSpecialTokens });
  }

  tokenToId(token: string): number | undefined {
    return this.#library.token_to_id(token);
  }

  idToToken(id: number): string | undefined {
    return this.#library.id_to_token(id);
  }

  /**
   * Decodes a short window again at each id and gives out what is new. The window begins one piece of text back,
   * since what a token looks like may hang on the one before it (a leading space).
   */
  streamDecoder({ skipSpecialTokens = false }: { skipSpecialTokens?: boolean } = {}): StreamDecoder {
    let window: number[] = [];
    let given = 0;
    const fresh = (complete: boolean): string => {
      const context = this.decode(window.slice(0, given), { skipSpecialTokens });
      const text = this.decode(window, { skipSpecialTokens });
      if (text.length <= context.length || (!complete && text.endsWith('\ufffd'))) return '';
      window = window.slice(given);
      given = window.length;
      return text.slice(context.length);
    };
    return {
      push: (id) => {
        window.push(id);
        return fresh(false);
      },
      flush: () => fresh(true),
    };
  }
}
