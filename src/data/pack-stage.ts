import { join } from 'node:path';
import type { PrepareConfig } from '../config/index.ts';
import type { Tokenizer } from '../tokenizer/index.ts';
import { FATE } from './dedup.ts';
import { countTargets, Encoder } from './encode.ts';
import { Lengths } from './lengths.ts';
import { Fitter } from './overlength.ts';
import { PackedWriter } from './packed-writer.ts';
import { type DataContext, Progress } from './progress.ts';
import { Refusals } from './refusals.ts';
import { RowList } from './row-list.ts';
import { readRows } from './row-store.ts';
import type { Encoded, SplitName } from './types.ts';

/** What encoding, fitting and packing did. */
export interface Packed {
  encoder: Encoder;
  fitter: Fitter;
  lengths: Lengths;
  /** Rows whose text holds a special token, each with the token. */
  specialInText: RowList;
  /** Rows that the chat template refused, or that it has no place for. */
  refused: RowList;
  encodedTokens: number;
  encodedTargets: number;
  splits: Map<SplitName, PackedWriter>;
}

/**
 * Encodes the rows that were kept, makes them fit, packs them and writes one dataset a split into `dir`.
 *
 * @param rowsPath the rows of a RowWriter, `fates` what becomes of each.
 * @throws LlmkitError('data') for rows that the template refuses, that have no target, or that are too long.
 */
export async function encodeAndPack(
  dir: string,
  rowsPath: string,
  fates: Uint8Array,
  tokenizer: Tokenizer,
  config: PrepareConfig,
  context: DataContext,
): Promise<Packed> {
  const encoder = new Encoder(tokenizer, config.train_on, join(dir, 'tokenizer'));
  const fitter = new Fitter(config.max_length, config.overlength);
  const splits = new Map<SplitName, PackedWriter>();
  const splitOf = (name: SplitName) => {
    const writer = splits.get(name) ?? new PackedWriter(join(dir, name), name, config.max_length, config.packing);
    splits.set(name, writer);
    return writer;
  };
  const packed: Packed = {
    encoder,
    fitter,
    splits,
    lengths: new Lengths(),
    specialInText: new RowList(),
    refused: new RowList(),
    encodedTokens: 0,
    encodedTargets: 0,
  };
  const refusals = new Refusals(config.malformed, packed.refused);
  const progress = new Progress(context, 'encode', 'rows', fates.length);
  try {
    splitOf('train');
    let number = 0;
    for (const row of readRows(rowsPath)) {
      await progress.tick(() => ({ tokens: packed.encodedTokens }));
      const fate = fates[number++];
      if (fate === FATE.duplicate) continue;
      const special = encoder.special.foundIn(row.example);
      if (special !== undefined) packed.specialInText.add(`${row.id} (${special})`);
      let example: Encoded;
      try {
        example = encoder.encode(row);
      } catch (error) {
        refusals.add(error, row.id);
        continue;
      }
      packed.encodedTokens += example.inputIds.length;
      packed.encodedTargets += countTargets(example);
      packed.lengths.add(example.inputIds.length);
      const writer = splitOf(fate === FATE.validation ? 'validation' : 'train');
      for (const piece of fitter.fit(example)) writer.add(piece);
    }
    refusals.check();
    fitter.check(config.malformed);
    for (const writer of splits.values()) writer.finish();
  } catch (error) {
    for (const writer of splits.values()) writer.abort();
    throw error;
  }
  progress.end(`${packed.encodedTokens} tokens, ${splits.get('train')!.rows} packed rows`);
  return packed;
}
