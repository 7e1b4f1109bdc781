import { LlmkitError } from '../core/errors.ts';
import { AddedTokens } from './added-tokens.ts';
import { tokenToBytes, utf16Units, wellFormed } from './byte-level.ts';
import { IdBuffer } from './id-buffer.ts';
import { buildNormalizer } from './normalize.ts';
import { buildFrame, type Frame } from './post-processor.ts';
import { buildPreTokenizer, type PreTokenizer, Unsupported } from './pre-tokenizer.ts';
import { hashOf, UNHASHED, type Words, WordScanner } from './scan-words.ts';
import type { ComponentJson, StreamDecoder, TextCoder, TokenizerJson } from './types.ts';
import { WordCache } from './word-cache.ts';
import { WordEncoder } from './word-encoder.ts';

/** Longer words seldom come twice. */
const CACHED_LENGTH = 64;
/** Ids that the buffer behind `encode` may hold between calls. */
const MOST_KEPT = 1 << 22;

/**
 * Encoder and decoder for byte-level BPE (GPT-2, Llama 3, Qwen, SmolLM, ...), with the ids HF tokenizers gives.
 * Words are looked up in a table of those seen before, keyed by their UTF-16 units, and merged only when they are new.
 * Throws `Unsupported` for a tokenizer.json of another kind.
 */
export class ByteLevelBpe implements TextCoder {
  readonly implementation = 'llmkit byte-level BPE';
  readonly vocabSize: number;
  readonly #vocab: Map<string, number>;
  readonly #addedIds: Map<string, number>;
  readonly #tokens: (string | undefined)[];
  readonly #tokenBytes: (Uint8Array | undefined)[] = [];
  readonly #special: Set<number>;
  readonly #added: AddedTokens;
  readonly #preTokenizer: PreTokenizer;
  readonly #frame: Frame;
  readonly #encoder: WordEncoder;
  readonly #cache = new WordCache();
  readonly #words: WordScanner | undefined;
  readonly #oneWord: Words = { ends: new Int32Array(1), hashes: new Int32Array(1) };
  #out = new IdBuffer();

  constructor(json: TokenizerJson) {
    requireByteLevel(json);
    const { model } = json;
    this.#vocab = new Map(Object.entries(model.vocab));
    this.#encoder = new WordEncoder(model, this.#vocab);
    this.#preTokenizer = buildPreTokenizer(json.pre_tokenizer);
    const { scanner } = this.#preTokenizer;
    this.#words = scanner === undefined ? undefined : new WordScanner(scanner);
    this.#frame = buildFrame(json.post_processor);
    const normalize = buildNormalizer(json.normalizer);
    this.#added = new AddedTokens(json.added_tokens, normalize);

    this.#tokens = [];
    for (const [token, id] of this.#vocab) this.#tokens[id] = token;
    for (const { id, content, normalized } of json.added_tokens) {
      this.#tokens[id] = normalized && normalize !== undefined ? normalize(content) : content;
    }
    this.#addedIds = new Map(json.added_tokens.map(({ id, content }) => [content, id]));
    this.#special = new Set(json.added_tokens.filter((token) => token.special).map((token) => token.id));
    this.vocabSize = this.#tokens.length;
  }

  encode(text: string, options?: { addSpecialTokens?: boolean }): Int32Array {
    const out = this.#out;
    out.clear();
    this.encodeInto(text, out, options);
    // One very long text must not pin its buffer for good.
    if (out.ids.length > MOST_KEPT) this.#out = new IdBuffer();
    return out.slice();
  }

  encodeInto(text: string, out: IdBuffer, { addSpecialTokens = false }: { addSpecialTokens?: boolean } = {}): void {
    if (addSpecialTokens) out.append(this.#frame.prefix);
    for (const piece of this.#added.split(wellFormed(text))) {
      if (piece.id >= 0) out.push(piece.id);
      else this.#encodePlain(piece.text, out);
    }
    if (addSpecialTokens) out.append(this.#frame.suffix);
  }

  #encodePlain(text: string, out: IdBuffer): void {
    const { prefixSpace, scannerExcept, stages } = this.#preTokenizer;
    const words = this.#words;
    if (prefixSpace && text !== '' && !text.startsWith(' ')) text = ` ${text}`;
    if (words === undefined || scannerExcept?.test(text) === true) {
      for (const word of stages.reduce((pieces, stage) => stage(pieces), [text])) {
        if (word !== '') this.#encodeWord(word, out);
      }
      return;
    }
    const units = utf16Units(text);
    for (let i = 0; i < text.length;) {
      const count = words.scan(units, i, text.length);
      i = this.#encodeWords(units, i, words, count, out);
    }
  }

  /** Appends the ids of `count` words, the first of which starts at units[i]; returns where the last ends. */
  #encodeWords(units: Uint16Array, i: number, { ends, hashes }: Words, count: number, out: IdBuffer): number {
    const cache = this.#cache;
    const end = ends[count - 1]!;
    // No unit has more than three bytes, and no byte more than one id.
    out.reserve(3 * (end - i));
    const ids = out.ids;
    let kept = cache.ids;
    let n = out.length;
    for (let word = 0; word < count; word++) {
      const wordEnd = ends[word]!;
      const hash = hashes[word]!;
      const record = hash === UNHASHED ? 0 : cache.find(units, i, wordEnd, hash);
      if (record !== 0) {
        const last = record + (kept[record]! & 0xffff);
        for (let at = record + 1; at <= last; at++) ids[n++] = kept[at]!;
      } else {
        const from = n;
        n = this.#encoder.encode(units, i, wordEnd, ids, n);
        if (hash !== UNHASHED && wordEnd - i <= CACHED_LENGTH) {
          cache.add(units, i, wordEnd, hash, ids, from, n);
          kept = cache.ids;
        }
      }
      i = wordEnd;
    }
    out.length = n;
    return end;
  }

  /** A word that a regular expression cut. */
  #encodeWord(word: string, out: IdBuffer): void {
    const units = utf16Units(word);
    this.#oneWord.ends[0] = word.length;
    this.#oneWord.hashes[0] = hashOf(units, 0, word.length);
    this.#encodeWords(units, 0, this.#oneWord, 1, out);
  }

  decode(ids: ArrayLike<number>, { skipSpecialTokens = false }: { skipSpecialTokens?: boolean } = {}): string {
    const parts: Uint8Array[] = [];
    for (let i = 0; i < ids.length; i++) {
      if (!(skipSpecialTokens && this.#special.has(ids[i]!))) parts.push(this.#bytesOf(ids[i]!));
    }
    // Not stripping a leading U+FEFF, which is a character of the text.
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.concat(parts));
  }

  streamDecoder({ skipSpecialTokens = false }: { skipSpecialTokens?: boolean } = {}): StreamDecoder {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    return {
      push: (id) => {
        if (skipSpecialTokens && this.#special.has(id)) return '';
        return decoder.decode(this.#bytesOf(id), { stream: true });
      },
      flush: () => decoder.decode(),
    };
  }

  tokenToId(token: string): number | undefined {
    return this.#addedIds.get(token) ?? this.#vocab.get(token);
  }

  idToToken(id: number): string | undefined {
    return this.#tokens[id];
  }

  #bytesOf(id: number): Uint8Array {
    const known = this.#tokenBytes[id];
    if (known !== undefined) return known;
    const token = this.#tokens[id];
    if (token === undefined) {
      throw new LlmkitError('data', `token id ${id} is not in the vocabulary`, {
        expected: `an id from 0 to ${this.vocabSize - 1}`,
        got: String(id),
        hint: 'the ids were made by another tokenizer, or the model has more rows than its tokenizer has tokens',
      });
    }
    return (this.#tokenBytes[id] = tokenToBytes(token));
  }
}

function requireByteLevel({ model, decoder }: TokenizerJson): void {
  if (model.type !== 'BPE') throw new Unsupported(`its model is ${String(model.type)}`);
  const plain = !model.continuing_subword_prefix && !model.end_of_word_suffix && !model.byte_fallback && !model.dropout;
  if (!plain) throw new Unsupported('its BPE has prefixes, suffixes, dropout or byte fallback');
  const decoders = decoder?.type === 'Sequence' ? (decoder['decoders'] as ComponentJson[]) : [decoder];
  if (decoders.length !== 1 || decoders[0]?.type !== 'ByteLevel') throw new Unsupported('its decoder is not ByteLevel');
}
