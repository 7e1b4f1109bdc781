import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isInlineTemplate, type LoadedConfig } from '../config/index.ts';
import { LlmkitError } from '../core/errors.ts';
import { ioError, writeFileAtomic } from '../io/atomic.ts';
import { copyTokenizer } from '../tokenizer/index.ts';
import { tokenizerDir } from './stages/plan.ts';
import type { Work } from './stages/work.ts';

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

/** Puts the tokenizer of the model into the work folder, with the chat template that the config gives it. */
export function putTokenizer(config: LoadedConfig, work: Work): void {
  const dir = tokenizerDir(work);
  rmSync(dir, { recursive: true, force: true });
  copyTokenizer(tokenizerFolder(config)!, dir);
  const template = configuredTemplate(config)?.text;
  if (template !== undefined) writeFileAtomic(join(dir, 'chat_template.jinja'), template);
}
