import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { LlmkitError } from '../core/errors.ts';
import { writeFileAtomic } from '../io/atomic.ts';
import type { TokenizerJson } from './types.ts';

/** What tokenizer_config.json says beside the tokenizer: tokens by their text. */
export interface TokenizerSettings {
  bos?: string;
  eos?: string;
  pad?: string;
  unk?: string;
  chatTemplate?: string;
  modelMaxLength?: number;
}

/** Files that make up a tokenizer, as transformers names them. */
export const TOKENIZER_FILES: readonly string[] = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.jinja',
  'chat_template.json',
  'tokenizer.model',
  'vocab.json',
  'merges.txt',
];

/**
 * Writes tokenizer.json, tokenizer_config.json, special_tokens_map.json and, when there is a template,
 * chat_template.jinja: a folder that transformers' AutoTokenizer opens. Throws `config` for a token that is not in the
 * vocabulary, `io` when a file cannot be written.
 */
export function saveTokenizer(dir: string, json: TokenizerJson, settings: TokenizerSettings = {}): void {
  const known = new Set([...Object.keys(json.model.vocab), ...json.added_tokens.map((token) => token.content)]);
  const special: Record<string, string> = {};
  for (const name of ['bos', 'eos', 'unk', 'pad'] as const) {
    const token = settings[name];
    if (token === undefined) continue;
    if (!known.has(token)) {
      throw new LlmkitError('config', `the ${name} token "${token}" is not in the vocabulary`, {
        where: name,
        hint: `add "${token}" to special_tokens`,
      });
    }
    special[`${name}_token`] = token;
  }
  const config = {
    // The name that transformers 4 and 5 both know for "whatever tokenizer.json says".
    tokenizer_class: 'PreTrainedTokenizerFast',
    backend: 'tokenizers',
    clean_up_tokenization_spaces: false,
    ...(settings.modelMaxLength === undefined ? {} : { model_max_length: settings.modelMaxLength }),
    ...special,
  };
  mkdirSync(dir, { recursive: true });
  writeFileAtomic(join(dir, 'tokenizer.json'), `${JSON.stringify(json, null, 2)}\n`);
  writeFileAtomic(join(dir, 'tokenizer_config.json'), `${JSON.stringify(config, null, 2)}\n`);
  writeFileAtomic(join(dir, 'special_tokens_map.json'), `${JSON.stringify(special, null, 2)}\n`);
  if (settings.chatTemplate !== undefined) writeFileAtomic(join(dir, 'chat_template.jinja'), settings.chatTemplate);
}

/** Copies the tokenizer of one folder into another, byte for byte, and returns the names of the files. */
export function copyTokenizer(from: string, to: string): string[] {
  const names = TOKENIZER_FILES.filter((name) => existsSync(join(from, name)));
  if (!names.includes('tokenizer.json')) {
    throw new LlmkitError('io', `there is no tokenizer.json in ${from}`, { where: join(from, 'tokenizer.json') });
  }
  mkdirSync(to, { recursive: true });
  for (const name of names) copyFileSync(join(from, name), join(to, name));
  return names;
}
