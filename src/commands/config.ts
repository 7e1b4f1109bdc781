import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'yaml';
import { displayPath, isInlineTemplate, jsonSchema, type LoadedConfig } from '../config/index.ts';
import type { CommandContext, CommandResult, Json } from '../core/events.ts';

export interface ConfigOptions {
  action: 'check' | 'print' | 'schema';
  /** For check and print. */
  config?: LoadedConfig;
  /** For schema: the file to write, absolute. */
  out?: string;
}

/** `config check`, `config print` and `config schema`. */
export async function run(options: ConfigOptions, context: CommandContext): Promise<CommandResult> {
  if (options.action === 'schema') return schema(options.out, context);
  const loaded = options.config!;
  return options.action === 'print' ? print(loaded, context) : check(loaded, context);
}

function check(loaded: LoadedConfig, context: CommandContext): CommandResult {
  for (const { key, file } of inputs(loaded)) {
    if (existsSync(file)) continue;
    const message = `${displayPath(file, context.cwd)} is not there yet`;
    context.emit({ type: 'warning', message, where: loaded.where(key) });
  }
  return {
    ok: true,
    summary: `${displayPath(loaded.path, context.cwd)} is valid`,
    data: { path: loaded.path, hash: loaded.hash, notes: loaded.notes },
  };
}

/** The files a config reads, globs left out. */
function inputs(loaded: LoadedConfig): { key: string; file: string }[] {
  const { model, prepare, eval: evaluation } = loaded.config;
  const { chat_template: template, decontaminate, keywords } = prepare;
  const listed = (key: string, paths: readonly (string | undefined)[], rest = '') =>
    paths.map((path, i): [string, string | undefined] => [`${key}.${i}${rest}`, path]);
  const written: [key: string, value: string | undefined][] = [
    ['model.name_or_path', model.name_or_path],
    ['model.tokenizer', model.tokenizer],
    ...listed(
      'prepare.sources',
      prepare.sources.map((source) => source.path),
      '.path',
    ),
    ['prepare.chat_template', template !== undefined && isInlineTemplate(template) ? undefined : template],
    ...listed('prepare.keywords', keywords),
    ...listed('prepare.decontaminate.against', decontaminate?.against ?? []),
    ...listed(
      'eval.tasks',
      evaluation.tasks.map((task) => task.path),
      '.path',
    ),
    ['eval.baseline', evaluation.baseline],
  ];
  return written
    .filter((entry): entry is [string, string] => entry[1] !== undefined && !/[*?[{]/.test(entry[1]))
    .map(([key, value]) => ({ key, file: loaded.resolvePath(value) }));
}

function print(loaded: LoadedConfig, context: CommandContext): CommandResult {
  context.emit({ type: 'text', text: `# ${displayPath(loaded.path, context.cwd)}, resolved; sha256 ${loaded.hash}\n` });
  context.emit({ type: 'text', text: stringify(loaded.config) });
  return {
    ok: true,
    summary: '',
    data: { path: loaded.path, hash: loaded.hash, config: loaded.config as unknown as Json },
  };
}

function schema(out: string | undefined, context: CommandContext): CommandResult {
  const text = `${JSON.stringify(jsonSchema(), null, 2)}\n`;
  if (out === undefined) {
    context.emit({ type: 'text', text });
    return { ok: true, summary: '', data: jsonSchema() as { [key: string]: Json } };
  }
  writeFileSync(out, text);
  const shown = path.relative(context.cwd, out);
  return { ok: true, summary: `wrote ${shown}`, data: { path: out } };
}
