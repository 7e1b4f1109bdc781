import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../io/atomic.ts';
import { ConfigFields } from './config-fields.ts';
import { readJsonObject } from '../io/json-file.ts';
import type { DecoderSpec } from './spec.ts';

export const GENERATION_CONFIG = 'generation_config.json';

/** The ids that end a text by a folder's generation_config.json; undefined where it has none to say. */
export function generationEos(dir: string, { vocabSize, eosTokenIds }: DecoderSpec): number[] | undefined {
  const path = join(dir, GENERATION_CONFIG);
  if (!existsSync(path)) return undefined;
  const fields = new ConfigFields(readJsonObject(path), path);
  return fields.has('eos_token_id') ? fields.tokenIds('eos_token_id', vocabSize, eosTokenIds) : undefined;
}

/**
 * Writes generation_config.json into `dir`: that of `base`, where given, with the stop tokens of the training data among
 * the end tokens. Without them a model that was taught to end its turn is never heard to.
 */
export function writeGenerationConfig(
  dir: string,
  spec: DecoderSpec,
  options: { base?: string; stopTokenIds?: readonly number[] } = {},
): void {
  const path = options.base === undefined ? undefined : join(options.base, GENERATION_CONFIG);
  const known = path !== undefined && existsSync(path) ? readJsonObject(path) : { _from_model_config: true };
  const ends = [...new Set([...spec.eosTokenIds, ...(options.stopTokenIds ?? [])])];
  const config = {
    ...known,
    ...(spec.bosTokenId === undefined ? {} : { bos_token_id: spec.bosTokenId }),
    ...(ends.length === 0 ? {} : { eos_token_id: ends }),
    ...(spec.padTokenId === undefined ? {} : { pad_token_id: spec.padTokenId }),
  };
  writeFileAtomic(join(dir, GENERATION_CONFIG), `${JSON.stringify(config, null, 2)}\n`);
}
