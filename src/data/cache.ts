import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { LoadedConfig } from '../config/index.ts';
import { LlmkitError } from '../core/errors.ts';
import type { Json } from '../core/events.ts';
import { hashJson } from '../core/json.ts';
import {
  describeFile,
  type FileRecord,
  type Manifest,
  MANIFEST,
  outputsPresent,
  readManifest,
} from '../io/manifest.ts';
import { configuredTemplate, tokenizerFolder } from './tokenizer.ts';

/** Raise it whenever the same config and inputs would give other bytes than before. */
export const PREPARE_FORMAT = 3;

/** What the result depends on beside the inputs' bytes. */
export function dependedOn(config: LoadedConfig): { [key: string]: Json } {
  const { prepare, seed } = config.config;
  const { threads: _, ...rest } = prepare;
  return { format: PREPARE_FORMAT, seed, prepare: JSON.parse(JSON.stringify(rest)) as Json };
}

/** The files of the tokenizer and of the chat template, hashed. */
export function tokenizerInputs(config: LoadedConfig): FileRecord[] {
  const tokenizer = tokenizerFolder(config);
  const files = ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json', 'chat_template.jinja']
    .map((name) => (tokenizer === undefined ? '' : join(tokenizer, name)))
    .filter((path) => path !== '' && existsSync(path));
  const template = configuredTemplate(config)?.file;
  return [...files, ...(template === undefined ? [] : [template])].map(describeFile);
}

/** The manifest of `dir` when preparing again would only make the same bytes. */
export function unchanged(dir: string, config: LoadedConfig, inputs: readonly FileRecord[]): Manifest | undefined {
  const manifest = manifestOf(dir);
  if (manifest === undefined) return undefined;
  const same =
    manifest.command === 'prepare' &&
    manifest.configHash === hashJson(dependedOn(config)) &&
    hashJson(manifest.inputs) === hashJson(inputs) &&
    outputsPresent(dir, manifest);
  return same ? manifest : undefined;
}

/** A manifest that cannot be read says nothing about the folder: it is made again. */
function manifestOf(dir: string): Manifest | undefined {
  if (!existsSync(join(dir, MANIFEST))) return undefined;
  try {
    return readManifest(dir);
  } catch (error) {
    if (error instanceof LlmkitError && error.kind === 'data') return undefined;
    throw error;
  }
}
