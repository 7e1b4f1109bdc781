import { existsSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import type { LoadedConfig } from '../config/index.ts';
import { LlmkitError } from '../core/errors.ts';
import { hashJson } from '../core/json.ts';

/** Stages of a config's life that leave a model. */
const STAGES = ['base', 'pretrained', 'adapter', 'merged', 'finetuned', 'quantized'] as const;
type Stage = (typeof STAGES)[number];

export interface ModelFlags {
  /** A stage of the config (base, pretrained, adapter, merged, finetuned, quantized) or a folder, relative to `cwd`. */
  model?: string | undefined;
  /** Folder of a PEFT adapter, relative to `cwd`. */
  adapter?: string | undefined;
  cwd: string;
}

export interface ModelChoice {
  /** The checkpoint or quantized folder, absolute. */
  dir: string;
  adapter: string | undefined;
  /** Folder of the tokenizer that belongs to it. */
  tokenizerDir: string;
  /** The stage, where the config decided. */
  stage: Stage | undefined;
}

/**
 * The model a command is to run: the one the flags name, else the latest that the config's stages have made: the newest of
 * merged checkpoint, base and adapter, and checkpoint trained in full; or the base, or the pretrained one. Quantized models
 * are used when asked for.
 *
 * @throws LlmkitError('usage' | 'config' | 'io') when nothing is named, or what is named is not there.
 */
export function chooseModel(config: LoadedConfig | undefined, flags: ModelFlags): ModelChoice {
  const adapter = flags.adapter === undefined ? undefined : resolve(flags.cwd, flags.adapter);
  if (adapter !== undefined) requireFolder(adapter, 'there is no adapter in this folder', 'llmkit finetune --lora');
  const stage = STAGES.find((name) => name === flags.model);
  if (flags.model !== undefined && (stage === undefined || config === undefined)) {
    const dir = resolve(flags.cwd, flags.model);
    requireFolder(dir, 'there is no model in this folder', `name a folder, or with -c one of ${STAGES.join(', ')}`);
    return { dir, adapter, stage: undefined, tokenizerDir: tokenizerOf([adapter, dir], config) };
  }
  if (config === undefined) {
    throw new LlmkitError('usage', 'there is no model to run', { hint: 'give --model <folder> or -c <config>' });
  }
  return ofStage(config, stage ?? (adapter === undefined ? latest(config) : 'base'), adapter);
}

function latest(config: LoadedConfig): Stage {
  const made: [Stage, number][] = [
    ['merged', modifiedMs(join(config.artifact('merged'), 'config.json'))],
    ['finetuned', modifiedMs(join(config.artifact('finetuned'), 'config.json'))],
  ];
  if (config.config.model.name_or_path !== undefined) {
    made.push(['adapter', modifiedMs(join(config.artifact('adapter'), 'adapter_config.json'))]);
  }
  const [newest, at] = made.reduce((last, next) => (next[1] > last[1] ? next : last));
  if (at > 0) return newest;
  return config.config.model.name_or_path === undefined ? 'pretrained' : 'base';
}

const COMMANDS: Record<Exclude<Stage, 'base'>, string> = {
  pretrained: 'llmkit pretrain',
  adapter: 'llmkit finetune --lora',
  merged: 'llmkit merge',
  finetuned: 'llmkit finetune --full',
  quantized: 'llmkit quantize',
};

function ofStage(config: LoadedConfig, stage: Stage, flag: string | undefined): ModelChoice {
  const needsBase = stage === 'base' || stage === 'adapter';
  const dir = needsBase ? config.baseModel() : config.artifact(stage);
  const hint = stage === 'base' ? 'check model.name_or_path' : `${COMMANDS[stage]} -c ${config.path}`;
  requireFolder(dir, `there is no ${stage === 'adapter' ? 'base' : stage} model`, hint);
  const adapter = flag ?? (stage === 'adapter' ? config.artifact('adapter') : undefined);
  if (adapter !== undefined) requireFolder(adapter, 'there is no adapter', hint);
  return { dir, adapter, stage, tokenizerDir: tokenizerOf([adapter, dir], config) };
}

/**
 * What results call a choice, and where they go: its stage, else the folder's name with a hash of its path from the
 * config, so that a/merged and b/merged differ. An adapter over anything but its own base is named beside it.
 */
export function nameOfChoice({ dir, adapter, stage }: ModelChoice, config: LoadedConfig): string {
  const base = config.config.model.name_or_path === undefined ? undefined : config.baseModel();
  const nameOf = (folder: string): string => {
    const own = STAGES.find((name) => name !== 'base' && config.artifact(name) === folder);
    if (own !== undefined || folder === base) return own ?? 'base';
    const path = relative(dirname(config.path), folder).split(sep).join('/');
    return `${basename(folder)}-${hashJson(path).slice(0, 8)}`;
  };
  const model = stage === 'adapter' ? 'base' : (stage ?? nameOf(dir));
  if (adapter === undefined) return model;
  const over = nameOf(adapter);
  return model === 'base' && over === 'adapter' ? over : `${model}+${over}`;
}

/** The first folder with a tokenizer: the adapter's or the model's own, then what the config names. */
function tokenizerOf(own: (string | undefined)[], config: LoadedConfig | undefined): string {
  const { tokenizer, name_or_path: base } = config?.config.model ?? {};
  const named = [tokenizer, base].map((path) => (path === undefined ? undefined : config?.resolvePath(path)));
  const folders = [...own, ...named].filter((folder) => folder !== undefined);
  return folders.find((folder) => existsSync(join(folder, 'tokenizer.json'))) ?? folders[0]!;
}

function requireFolder(dir: string, message: string, hint: string): void {
  if (!existsSync(dir)) throw new LlmkitError('io', message, { where: dir, hint });
}

function modifiedMs(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
