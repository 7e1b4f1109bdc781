import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isInlineTemplate, type LoadedConfig } from '../config/index.ts';
import { LlmkitError } from '../core/errors.ts';
import { ioError, writeFileAtomic } from '../io/atomic.ts';
import { copyTokenizer, loadTokenizer, saveTokenizer, type Tokenizer, trainBpe } from '../tokenizer/index.ts';
import { FATE } from './dedup.ts';
import { type DataContext, Progress } from './progress.ts';
import { readRows } from './row-store.ts';
import type { Example } from './types.ts';

/** The folder of the tokenizer that the config names; undefined when one is to be trained. */
export function tokenizerFolder(config: LoadedConfig): string | undefined {
  const { prepare, model } = config.config;
  if ('type' in prepare.tokenizer) return undefined;
  if (model.tokenizer === undefined && model.name_or_path === undefined) {
    throw config.missing(
      'model.name_or_path',
      'name the folder of the model, or train a tokenizer: prepare: { tokenizer: { type: bpe, vocab_size: 8000 } }',
    );
  }
  const folder = model.tokenizer === undefined ? config.baseModel() : config.resolvePath(model.tokenizer);
  if (existsSync(folder)) return folder;
  throw new LlmkitError('io', `there is no folder ${folder}`, {
    where: config.where(model.tokenizer === undefined ? 'model.name_or_path' : 'model.tokenizer'),
    hint: 'paths in a config are relative to the config file',
  });
}

/** The chat template that the config puts in place of the tokenizer's: its text, and its file where it has one. */
export function configuredTemplate(config: LoadedConfig): { text: string; file?: string } | undefined {
  const value = config.config.prepare.chat_template;
  if (value === undefined) return undefined;
  if (isInlineTemplate(value)) return { text: value };
  const file = config.resolvePath(value);
  try {
    return { text: readFileSync(file, 'utf8'), file };
  } catch (error) {
    throw ioError(error, `cannot read the chat template ${file}`, config.where('prepare.chat_template'));
  }
}

/**
 * Puts the tokenizer into `dir` (the model's, copied, or one trained on the training rows) and loads it from there.
 *
 * @param rowsPath the rows of a RowWriter.
 * @param fates of those rows; only training rows are learned from.
 */
export async function makeTokenizer(
  config: LoadedConfig,
  dir: string,
  rowsPath: string,
  fates: Uint8Array,
  context: DataContext,
): Promise<Tokenizer> {
  const { tokenizer: wanted } = config.config.prepare;
  const template = configuredTemplate(config)?.text;
  if (!('type' in wanted)) {
    copyTokenizer(tokenizerFolder(config)!, dir);
    if (template !== undefined) writeFileAtomic(join(dir, 'chat_template.jinja'), template);
    return loadTokenizer(dir);
  }
  const progress = new Progress(context, 'tokenizer', 'rows', fates.length);
  const json = await trainBpe(trainingTexts(rowsPath, fates, progress), {
    vocabSize: wanted.vocab_size,
    specialTokens: wanted.special_tokens,
    minFrequency: wanted.min_frequency,
    pretokenizer: wanted.pretokenizer,
    signal: context.signal,
  });
  const end = wanted.special_tokens[0];
  if (end === undefined) {
    throw new LlmkitError('config', 'a tokenizer needs a special token that ends documents', {
      where: config.where('prepare.tokenizer.special_tokens'),
      expected: '["<|endoftext|>", ...]',
    });
  }
  const settings = { bos: end, eos: end, pad: end };
  saveTokenizer(dir, json, template === undefined ? settings : { ...settings, chatTemplate: template });
  const tokenizer = loadTokenizer(dir);
  progress.end(`${tokenizer.vocabSize} tokens learned`);
  return tokenizer;
}

async function* trainingTexts(rowsPath: string, fates: Uint8Array, progress: Progress): AsyncGenerator<string> {
  let row = 0;
  for (const { example } of readRows(rowsPath)) {
    await progress.tick();
    if (fates[row++] === FATE.train) yield* textsOf(example);
  }
}

function textsOf(example: Example): string[] {
  if (example.type === 'text') return [example.text];
  if (example.type === 'messages') return example.messages.map((message) => message.content);
  const { prompt, completion, system } = example;
  return system === undefined ? [prompt, completion] : [system, prompt, completion];
}
