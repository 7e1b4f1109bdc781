import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LlmkitError } from '../core/errors.ts';
import { ByteLevelBpe } from './byte-level-bpe.ts';
import { ChatTemplate } from './chat-template.ts';
import type { IdBuffer } from './id-buffer.ts';
import { LibraryCoder } from './library.ts';
import { readJsonObject } from '../io/json-file.ts';
import { parseBpe, parseTokenizerJson } from './parse.ts';
import { Unsupported } from './pre-tokenizer.ts';
import type { ChatMessage, ChatOptions, StreamDecoder, TextCoder, Tokenizer, TokenizerJson } from './types.ts';

/** Names of the single special tokens in tokenizer_config.json, as transformers knows them. */
const NAMED_TOKENS = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'];

/**
 * Loads the tokenizer of a checkpoint folder: tokenizer.json, and where they are there tokenizer_config.json,
 * special_tokens_map.json and chat_template.jinja, as transformers (4 and 5) writes them. What is put around a text
 * is tokenizer.json's post-processor alone: transformers 5 does not let add_bos_token in the configuration change it.
 * Throws `io` or `data` with the file and the place in it.
 */
export function loadTokenizer(dir: string): Tokenizer {
  const path = join(dir, 'tokenizer.json');
  if (!existsSync(path)) {
    const old = ['vocab.json', 'tokenizer.model', 'vocab.txt'].find((name) => existsSync(join(dir, name)));
    throw new LlmkitError('io', `there is no tokenizer.json in ${dir}`, {
      where: path,
      ...(old === undefined ? {} : { got: `only the older ${old}` }),
      hint:
        old === undefined
          ? 'name the folder that holds the tokenizer, or train one (prepare.tokenizer.type: bpe)'
          : 'convert it: AutoTokenizer.from_pretrained(folder).save_pretrained(folder) in transformers writes one',
    });
  }
  const configPath = join(dir, 'tokenizer_config.json');
  const config = existsSync(configPath) ? readJsonObject(configPath) : {};
  const mapPath = join(dir, 'special_tokens_map.json');
  const specialTokens = namedTokens(config, existsSync(mapPath) ? readJsonObject(mapPath) : {});

  const parsed = parseTokenizerJson(readJsonObject(path), path);
  const { coder, fallbackReason } = chooseCoder(parsed, config, path);
  for (const [name, token] of Object.entries(specialTokens)) {
    if (coder.tokenToId(token) !== undefined) continue;
    throw new LlmkitError('data', `${name} "${token}" is not in the vocabulary`, {
      where: `${existsSync(configPath) ? configPath : mapPath}: ${name}`,
      expected: 'a token of tokenizer.json',
      hint: `name another token, or add "${token}" to added_tokens in tokenizer.json and a row to the embedding`,
    });
  }
  return new LoadedTokenizer(coder, fallbackReason, specialTokens, config, readChatTemplate(dir, config, configPath));
}

/** A tokenizer made in memory (from `trainBpe`), without configuration. */
export function tokenizerFromJson(json: TokenizerJson, specialTokens: Record<string, string> = {}): Tokenizer {
  const { coder, fallbackReason } = chooseCoder(json, {}, 'tokenizer.json');
  return new LoadedTokenizer(coder, fallbackReason, specialTokens, {}, undefined);
}

function chooseCoder(
  json: TokenizerJson<{ type: string }>,
  config: Record<string, unknown>,
  path: string,
): { coder: TextCoder; fallbackReason: string | undefined } {
  const checked = json.model.type === 'BPE' ? parseBpe(json, path) : json;
  try {
    return { coder: new ByteLevelBpe(checked as TokenizerJson), fallbackReason: undefined };
  } catch (error) {
    if (!(error instanceof Unsupported)) throw error;
    return { coder: new LibraryCoder(checked, config, path), fallbackReason: error.message };
  }
}

/** The configuration wins over special_tokens_map.json; a token is a string or an object with its content. */
function namedTokens(config: Record<string, unknown>, map: Record<string, unknown>): Record<string, string> {
  const tokens: Record<string, string> = {};
  for (const name of NAMED_TOKENS) {
    const value = name in config ? config[name] : map[name];
    const content = typeof value === 'object' && value !== null ? (value as { content?: unknown }).content : value;
    if (typeof content === 'string' && content !== '') tokens[name] = content;
  }
  return tokens;
}

function readChatTemplate(dir: string, config: Record<string, unknown>, configPath: string): ChatTemplate | undefined {
  const file = join(dir, 'chat_template.jinja');
  if (existsSync(file)) return new ChatTemplate(readFileSync(file, 'utf8'), file);
  const inConfig = config['chat_template'];
  if (typeof inConfig === 'string') return new ChatTemplate(inConfig, `${configPath}: chat_template`);
  if (!Array.isArray(inConfig)) return undefined;
  // Several templates by name, an older habit: the default, and one for tools.
  const named = new Map((inConfig as { name: string; template: string }[]).map((item) => [item.name, item.template]));
  const fallback = named.get('default') ?? named.values().next().value;
  return fallback === undefined
    ? undefined
    : new ChatTemplate(fallback, `${configPath}: chat_template`, named.get('tool_use'));
}

class LoadedTokenizer implements Tokenizer {
  readonly implementation: TextCoder['implementation'];
  readonly fallbackReason: string | undefined;
  readonly vocabSize: number;
  readonly specialTokens: Readonly<Record<string, string>>;
  readonly modelMaxLength: number | undefined;
  readonly #coder: TextCoder;
  readonly #template: ChatTemplate | undefined;

  constructor(
    coder: TextCoder,
    fallbackReason: string | undefined,
    specialTokens: Record<string, string>,
    config: Record<string, unknown>,
    template: ChatTemplate | undefined,
  ) {
    this.#coder = coder;
    this.#template = template;
    this.implementation = coder.implementation;
    this.fallbackReason = fallbackReason;
    this.vocabSize = coder.vocabSize;
    this.specialTokens = specialTokens;
    const length = config['model_max_length'];
    // transformers writes 10^30 for "no limit".
    this.modelMaxLength = typeof length === 'number' && length < 1e12 ? length : undefined;
  }

  get bosTokenId(): number | undefined {
    return this.#named('bos_token');
  }

  get eosTokenId(): number | undefined {
    return this.#named('eos_token');
  }

  get padTokenId(): number | undefined {
    return this.#named('pad_token');
  }

  get chatTemplate(): string | undefined {
    return this.#template?.source;
  }

  #named(name: string): number | undefined {
    const token = this.specialTokens[name];
    return token === undefined ? undefined : this.#coder.tokenToId(token);
  }

  applyChatTemplate(messages: ChatMessage[], options: ChatOptions = {}): string {
    if (this.#template === undefined) {
      throw new LlmkitError('data', 'this tokenizer has no chat template', {
        expected: 'chat_template.jinja beside tokenizer.json, or chat_template in tokenizer_config.json',
        hint: 'use an instruction-tuned checkpoint, or put a chat_template.jinja into the folder',
      });
    }
    return this.#template.render(messages, this.specialTokens, options);
  }

  encode(text: string, options?: { addSpecialTokens?: boolean }): Int32Array {
    return this.#coder.encode(text, options);
  }

  encodeInto(text: string, out: IdBuffer, options?: { addSpecialTokens?: boolean }): void {
    this.#coder.encodeInto(text, out, options);
  }

  decode(ids: ArrayLike<number>, options?: { skipSpecialTokens?: boolean }): string {
    return this.#coder.decode(ids, options);
  }

  tokenToId(token: string): number | undefined {
    return this.#coder.tokenToId(token);
  }

  idToToken(id: number): string | undefined {
    return this.#coder.idToToken(id);
  }

  streamDecoder(options?: { skipSpecialTokens?: boolean }): StreamDecoder {
    return this.#coder.streamDecoder(options);
  }
}
