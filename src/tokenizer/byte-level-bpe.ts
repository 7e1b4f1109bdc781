import { LlmkitError } from '../core/errors.ts';
import { AddedTokens } from './added-tokens.ts';
import { BYTE_TO_CHAR, tokenToBytes, utf16ToUtf8, utf16Units, wellFormed } from './byte-level.ts';
import { Merger } from './merge.ts';
import { buildFrame, type Frame } from './post-processor.ts';
import { buildPreTokenizer, type PreTokenizer, Unsupported } from './pre-tokenizer.ts';
import type { ComponentJson, StreamDecoder, TextCoder, TokenizerJson } from './types.ts';
import { grown, WordTable } from './word-table.ts';

/** The cache starts afresh beyond these, which bounds it to about 20 MB. */
const CACHED_WORDS = 1 << 17;
const CACHED_UNITS = 1 << 21;
/** Longer words seldom come twice. */
const CACHED_LENGTH = 64;

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
  readonly #merger: Merger;
  readonly #byteIds: Int32Array;
  readonly #unknownId: number;
  readonly #fuseUnknown: boolean;
  readonly #ignoreMerges: boolean;

  readonly #words = new WordTable();
  #wordEnds = new Int32Array(1 << 11);
  #wordIds = new Int32Array(1 << 13);
  #bytes = new Uint8Array(3 * CACHED_LENGTH);
  #symbols = new Int32Array(3 * CACHED_LENGTH);
  #out = new Int32Array(1 << 12);
  #length = 0;

  constructor(json: TokenizerJson) {
    requireByteLevel(json);
    const { model } = json;
    this.#vocab = new Map(Object.entries(model.vocab));
    this.#merger = new Merger(
      model.merges.map(([a, b]) => [this.#vocab.get(a)!, this.#vocab.get(b)!, this.#vocab.get(a + b)!] as const),
    );
    this.#byteIds = Int32Array.from(BYTE_TO_CHAR, (char) => this.#vocab.get(char) ?? -1);
    this.#unknownId = model.unk_token === null ? -1 : (this.#vocab.get(model.unk_token) ?? -1);
    this.#fuseUnknown = model.fuse_unk;
    this.#ignoreMerges = model.ignore_merges;
    this.#preTokenizer = buildPreTokenizer(json.pre_tokenizer);
    this.#frame = buildFrame(json.post_processor);
    const normalize = normalizerOf(json.normalizer);
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

  encode(text: string, { addSpecialTokens = false }: { addSpecialTokens?: boolean } = {}): Int32Array {
    this.#length = 0;
    if (addSpecialTokens) for (const id of this.#frame.prefix) this.#append(id);
    for (const piece of this.#added.split(wellFormed(text))) {
      if (piece.id >= 0) this.#append(piece.id);
      else this.#encodePlain(piece.text);
    }
    if (addSpecialTokens) for (const id of this.#frame.suffix) this.#append(id);
    return this.#out.slice(0, this.#length);
  }

  #encodePlain(text: string): void {
    const { prefixSpace, scanner, stages } = this.#preTokenizer;
    if (prefixSpace && text !== '' && !text.startsWith(' ')) text = ` ${text}`;
    if (scanner !== undefined) {
      const units = utf16Units(text);
      const end = text.length;
      for (let i = 0; i < end;) {
        const wordEnd = scanner(units, i, end);
        this.#encodeWord(units, i, wordEnd);
        i = wordEnd;
      }
      return;
    }
    for (const word of stages.reduce((pieces, stage) => stage(pieces), [text])) {
      this.#encodeWord(utf16Units(word), 0, word.length);
    }
  }

  #encodeWord(units: Uint16Array, start: number, end: number): void {
    if (end - start > CACHED_LENGTH) {
      const n = this.#merge(units, start, end);
      for (let i = 0; i < n; i++) this.#append(this.#symbols[i]!);
      return;
    }
    const words = this.#words;
    const before = words.size;
    const index = words.intern(units, start, end);
    if (index === before) this.#remember(index, units, start, end);
    const idsEnd = this.#wordEnds[index]!;
    for (let i = index === 0 ? 0 : this.#wordEnds[index - 1]!; i < idsEnd; i++) this.#append(this.#wordIds[i]!);
    if (words.size >= CACHED_WORDS || words.units >= CACHED_UNITS) words.clear();
  }

  /** Merges word `index`, which is new and so the last, and keeps its ids behind those of the word before it. */
  #remember(index: number, units: Uint16Array, start: number, end: number): void {
    const n = this.#merge(units, start, end);
    const at = index === 0 ? 0 : this.#wordEnds[index - 1]!;
    if (at + n > this.#wordIds.length) this.#wordIds = grown(this.#wordIds, at + n);
    if (index === this.#wordEnds.length) this.#wordEnds = grown(this.#wordEnds, index + 1);
    for (let i = 0; i < n; i++) this.#wordIds[at + i] = this.#symbols[i]!;
    this.#wordEnds[index] = at + n;
  }

  /** Ids of units[start, end) in #symbols; returns how many. */
  #merge(units: Uint16Array, start: number, end: number): number {
    const room = 3 * (end - start);
    if (room > this.#bytes.length) {
      this.#bytes = new Uint8Array(room);
      this.#symbols = new Int32Array(room);
    }
    const length = utf16ToUtf8(units, start, end, this.#bytes);
    if (this.#ignoreMerges) {
      let word = '';
      for (let i = 0; i < length; i++) word += BYTE_TO_CHAR[this.#bytes[i]!]!;
      const id = this.#vocab.get(word);
      if (id !== undefined) {
        this.#symbols[0] = id;
        return 1;
      }
    }
    return this.#merger.merge(this.#symbols, this.#toSymbols(length));
  }

  /** The first `length` of #bytes as ids in #symbols. A byte the vocabulary lacks is the unknown token or is dropped. */
  #toSymbols(length: number): number {
    let n = 0;
    let lastUnknown = false;
    for (let i = 0; i < length; i++) {
      const id = this.#byteIds[this.#bytes[i]!]!;
      if (id >= 0) this.#symbols[n++] = id;
      else if (this.#unknownId >= 0 && !(lastUnknown && this.#fuseUnknown)) this.#symbols[n++] = this.#unknownId;
      lastUnknown = id < 0;
    }
    return n;
  }

  #append(id: number): void {
    if (this.#length === this.#out.length) this.#out = grown(this.#out, this.#length + 1);
    this.#out[this.#length++] = id;
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

/** Normalizes text before it is split; undefined when nothing is to be done. */
function normalizerOf(json: ComponentJson | null): ((text: string) => string) | undefined {
  if (json === null) return undefined;
  if (json.type === 'Sequence') {
    const steps = (json['normalizers'] as ComponentJson[]).map(normalizerOf).filter((step) => step !== undefined);
    return steps.length === 0 ? undefined : (text) => steps.reduce((value, step) => step(value), text);
  }
  if (['NFC', 'NFD', 'NFKC', 'NFKD'].includes(json.type)) return (text) => text.normalize(json.type);
  throw new Unsupported(`its normalizer is ${json.type}`);
}

function requireByteLevel({ model, decoder }: TokenizerJson): void {
  if (model.type !== 'BPE') throw new Unsupported(`its model is ${String(model.type)}`);
  const plain = !model.continuing_subword_prefix && !model.end_of_word_suffix && !model.byte_fallback && !model.dropout;
  if (!plain) throw new Unsupported('its BPE has prefixes, suffixes, dropout or byte fallback');
  const decoders = decoder?.type === 'Sequence' ? (decoder['decoders'] as ComponentJson[]) : [decoder];
  if (decoders.length !== 1 || decoders[0]?.type !== 'ByteLevel') throw new Unsupported('its decoder is not ByteLevel');
}
