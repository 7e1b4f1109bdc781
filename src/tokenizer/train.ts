import { LlmkitError } from '../core/errors.ts';
import { BYTE_TO_CHAR } from './byte-level.ts';
import type { WordCounts } from './byte-words.ts';
import { countWords } from './count-words.ts';
import { LLAMA3_PATTERN, QWEN2_PATTERN } from './scan.ts';
import { learnMerges } from './train-merges.ts';
import type { AddedTokenJson, ComponentJson, TokenizerJson } from './types.ts';

export type PretokenizerName = 'gpt2' | 'llama3' | 'qwen2';

export interface TrainBpeOptions {
  /** Special tokens and the 256 bytes count. The result has fewer when the text gives no more merges. */
  vocabSize: number;
  /** They get the first ids, in this order. */
  specialTokens: readonly string[];
  /** Pairs seen less often are not merged. Default 0. */
  minFrequency?: number;
  /** Merges stay below this many bytes. Default: no limit. */
  maxTokenLength?: number;
  pretokenizer: PretokenizerName;
  /** Told now and then: texts read while counting, then tokens made while merging. */
  onProgress?: (progress: { stage: 'count' | 'merge'; current: number; total?: number }) => void;
  signal?: AbortSignal;
}

/**
 * Trains byte-level BPE (Sennrich et al., 2016; Radford et al., 2019) with the merges and ids of HF tokenizers'
 * BpeTrainer over the byte alphabet. The texts are read once; memory grows with the number of different words only.
 * Throws `config` for sizes that cannot be, `interrupted` when the signal aborts.
 *
 * @returns tokenizer.json, which HF tokenizers and transformers load.
 */
export async function trainBpe(
  texts: Iterable<string> | AsyncIterable<string>,
  options: TrainBpeOptions,
): Promise<TokenizerJson> {
  checkOptions(options);
  const counts = await countWords(texts, options);
  return trainFromCounts(counts, options);
}

/** The second half of `trainBpe`, for words that were counted already. */
export function trainFromCounts(counts: WordCounts, options: TrainBpeOptions): TokenizerJson {
  checkOptions(options);
  const tokens: string[] = [];
  const ids = new Map<string, number>();
  const alphabet = [...BYTE_TO_CHAR].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!);
  for (const token of [...options.specialTokens, ...alphabet]) {
    if (ids.has(token)) continue;
    ids.set(token, tokens.length);
    tokens.push(token);
  }
  const merges = learnMerges(counts, tokens, ids, options);
  const special = options.specialTokens.filter((token, i, all) => all.indexOf(token) === i);
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map((content) => addedToken(ids.get(content)!, content)),
    normalizer: options.pretokenizer === 'qwen2' ? { type: 'NFC' } : null,
    pre_tokenizer: preTokenizerJson(options.pretokenizer),
    post_processor: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: false, use_regex: true },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      // Not an object filled key by key: a token may be called __proto__.
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: merges.map(([a, b]) => [tokens[a]!, tokens[b]!]),
    },
  };
}

function addedToken(id: number, content: string): AddedTokenJson {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
}

function preTokenizerJson(name: PretokenizerName): ComponentJson {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: name === 'gpt2' };
  if (name === 'gpt2') return byteLevel;
  const pattern = { Regex: name === 'llama3' ? LLAMA3_PATTERN : QWEN2_PATTERN };
  return {
    type: 'Sequence',
    pretokenizers: [{ type: 'Split', pattern, behavior: 'Isolated', invert: false }, byteLevel],
  };
}

function checkOptions({ vocabSize, specialTokens, minFrequency = 0, maxTokenLength = 2 }: TrainBpeOptions): void {
  const least = 256 + new Set(specialTokens).size;
  if (!Number.isInteger(vocabSize) || vocabSize < least || vocabSize > 2 ** 22) {
    throw new LlmkitError('config', 'the vocabulary is too small or no whole number', {
      where: 'vocab_size',
      expected: `${least} (256 bytes and the special tokens) to ${2 ** 22}`,
      got: String(vocabSize),
      hint: `set vocab_size to ${least} or more; 8000 to 32000 suit small models`,
    });
  }
  if (!(minFrequency >= 0))
    throw new LlmkitError('config', 'min_frequency must be at least 0', {
      where: 'min_frequency',
      got: String(minFrequency),
    });
  if (!(maxTokenLength >= 2))
    throw new LlmkitError('config', 'max_token_length must be at least 2', {
      where: 'max_token_length',
      got: String(maxTokenLength),
    });
  const empty = specialTokens.indexOf('');
  if (empty >= 0) throw new LlmkitError('config', 'a special token is empty', { where: `special_tokens[${empty}]` });
}
