import path from 'node:path';
import type { LlmkitError } from '../core/errors.ts';
import { configError, formatPlace } from './places.ts';
import type { Config } from './schema/config.ts';
import { locate, type Tree } from './tree.ts';

/** Plain data, so that a config read by one thread can be handed to another. */
export interface LoadedConfigData {
  config: Config;
  /** What aliases were mapped to what; a person should see them once. */
  notes: string[];
  /** Of the file, absolute. */
  path: string;
  /** sha256 of the resolved config. */
  hash: string;
  tree: Tree;
}

export class LoadedConfig {
  readonly data: LoadedConfigData;

  constructor(data: LoadedConfigData) {
    this.data = data;
  }

  get config(): Config {
    return this.data.config;
  }

  get notes(): string[] {
    return this.data.notes;
  }

  get path(): string {
    return this.data.path;
  }

  get hash(): string {
    return this.data.hash;
  }

  /** A path of the config as an absolute one: they are relative to the config file. */
  resolvePath(relative: string): string {
    return path.resolve(path.dirname(this.data.path), relative);
  }

  /** Where an artifact goes: `<output_dir>/<name>`, absolute. */
  artifact(...names: string[]): string {
    return path.join(this.resolvePath(this.data.config.output_dir), ...names);
  }

  /** `configs/x.yaml:12:5 finetune.lora.r`: the place of a key, or of the section it would be in. */
  where(key: string): string {
    const keys = key.split('.');
    return formatPlace(locate(this.data.tree, keys).key, keys);
  }

  /** The error for a key that this command needs and the file does not have. */
  missing(key: string, hint: string): LlmkitError {
    const keys = key.split('.');
    return configError(`${key} is missing`, locate(this.data.tree, keys).key, keys, { hint });
  }

  /** The base checkpoint's folder, absolute. @throws LlmkitError config when the file names none */
  baseModel(): string {
    const name = this.data.config.model.name_or_path;
    if (name === undefined) throw this.missing('model.name_or_path', 'model: { name_or_path: path/to/checkpoint }');
    return this.resolvePath(name);
  }
}
