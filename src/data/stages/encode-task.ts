import { readFileSync, rmSync } from 'node:fs';
import { type ErrorRecord, LlmkitError } from '../../core/errors.ts';
import { countTargets, Encoder } from '../encode/encoder.ts';
import { ItemWriter } from '../encode/item-file.ts';
import { Lengths } from '../encode/lengths.ts';
import { type FitTally, Fitter, lengthOf, sequencesOf } from '../encode/overlength.ts';
import type { SplitResult } from '../encode/packed-writer.ts';
import { openSplitWriter } from '../encode/split-writer.ts';
import { placeOf } from '../read/sources.ts';
import { addRow, emptyTally, type RowTally } from '../tally.ts';
import { documentOf } from '../texts.ts';
import type { Item } from '../types.ts';
import type { Tokenizer } from '../../tokenizer/index.ts';
import { explainWriter } from './explain.ts';
import { FATE, FATES, KEPT_AS } from './fates.ts';
import { namer } from './decide-task.ts';
import { HASH_BYTES, type Part, readHashes, readPart, readPlaces } from './parts.ts';
import type { Plan } from './plan.ts';
import type { Pulse } from './pulse.ts';
import { MOST_ERRORS } from './read-task.ts';
import { pad, type Work } from './work.ts';

/** What one task of `encode` did. */
export interface EncodeResult {
  rows: number;
  tokens: number;
  targets: number;
  lengths: [length: number, examples: number][];
  renderings: Record<string, number>;
  /** Tokens that end a trained answer, and how often. */
  stops: [id: number, count: number][];
  /** Rows whose text holds a special token, each with the token. */
  specialInText: RowTally;
  /** Rows that the chat template refused, or that it has no place for. */
  refused: RowTally;
  errors: ErrorRecord[];
  fit: FitTally;
  /** Rows used more than once, or not at all, by their source's weight. */
  repeated: number;
  left_out: number;
  /** The training rows: a dataset in encoded/<part>. */
  train: SplitResult;
  /** Encoded, not yet packed, validation rows: a file of an ItemWriter. */
  validation: { file: string; examples: number };
}

/** Encodes the rows of a part that were kept, makes them fit, and packs and writes those for training. */
export async function encodeTask(
  work: Work,
  plan: Plan,
  parts: readonly Part[],
  index: number,
  tokenizer: Tokenizer,
  pulse: Pulse,
): Promise<{ outputs: string[]; result: EncodeResult }> {
  const { config, kind } = plan;
  const part = parts[index]!;
  const base = parts.slice(0, index).reduce((sum, { rows }) => sum + rows, 0);
  const fates = readSlice(work.path(FATES), base, part.rows);
  const dir = `encoded/${pad(index)}`;
  rmSync(work.path(dir), { recursive: true, force: true });
  const encoder = new Encoder(tokenizer, config.train_on, 'tokenizer');
  const fitter = new Fitter(config.max_length, config.overlength);
  const train = openSplitWriter(kind, work.path(dir), 'train', config);
  const validationFile = `${dir}.validation`;
  const validation = new ItemWriter(work.path(validationFile));
  const explain = explainWriter(work, config, 'encode', index);
  const lengths = new Lengths();
  const result: Omit<EncodeResult, 'train' | 'validation' | 'lengths' | 'renderings' | 'stops'> = {
    rows: 0,
    tokens: 0,
    targets: 0,
    specialInText: emptyTally(),
    refused: emptyTally(),
    errors: [],
    fit: fitter.tally,
    repeated: 0,
    left_out: 0,
  };
  const places = readPlaces(work, part);
  const copies = copiesOf(config.sources[part.source]!.weight, () => readHashes(work, part));
  const keptAs = explain === undefined ? undefined : keptNames(work, plan, parts, base);
  try {
    let row = -1;
    for (const example of readPart(work, part)) {
      row++;
      const wait = pulse.tick(1);
      if (wait !== undefined) await wait;
      const fate = fates[row]!;
      const id = placeOf(plan.files[places[2 * row]!]!.file, places[2 * row + 1]!);
      if (fate === FATE.exact || fate === FATE.near) {
        const rule = fate === FATE.exact ? 'dedup.exact' : 'dedup.near';
        explain?.write({ row: id, stage: 'dedup', rule, value: keptAs!(row), limit: '', text: documentOf(example) });
        continue;
      }
      const times = fate === FATE.train ? copies(row) : 1;
      if (times === 0) result.left_out++;
      else result.repeated += times - 1;
      if (times === 0) continue;
      const special = encoder.special.foundIn(example);
      if (special !== undefined) addRow(result.specialInText, `${id} (${special})`);
      let item: Item;
      try {
        item = kind === 'pairs' ? encoder.encodePair({ id, example }) : encoder.encode({ id, example });
      } catch (error) {
        if (!(error instanceof LlmkitError) || error.kind !== 'data') throw error;
        addRow(result.refused, id);
        explain?.write({ row: id, stage: 'encode', rule: 'template', value: error.message, limit: '' });
        if (config.malformed === 'error') result.errors.push(error.toJSON());
        if (result.errors.length >= MOST_ERRORS) break;
        continue;
      }
      result.rows++;
      for (const sequence of sequencesOf(item)) {
        result.tokens += sequence.inputIds.length;
        result.targets += countTargets(sequence);
      }
      lengths.add(lengthOf(item));
      const pieces = fitter.fit(item);
      if (pieces.length === 0) {
        const value = lengthOf(item);
        explain?.write({ row: id, stage: 'fit', rule: 'max_length or no target', value, limit: config.max_length });
      }
      for (let copy = 0; copy < times; copy++) {
        for (const piece of pieces) (fate === FATE.validation ? validation : train).add(piece);
      }
    }
    train.finish();
    validation.finish();
    explain?.finish();
  } catch (error) {
    train.abort();
    validation.abort();
    explain?.abort();
    throw error;
  }
  const outputs = [
    ...train.result.files.map((file) => `${dir}/${file}`),
    validationFile,
    ...(explain === undefined ? [] : [explain.output]),
  ];
  return {
    outputs,
    result: {
      ...result,
      lengths: lengths.entries(),
      renderings: Object.fromEntries(encoder.renderings),
      stops: [...encoder.stops],
      train: train.result,
      validation: { file: validationFile, examples: validation.items },
    },
  };
}

/** How often a training row is used: the whole part of the weight, and once more for a part of the rows, by their hash. */
function copiesOf(weight: number, hashes: () => Uint8Array): (row: number) => number {
  const whole = Math.floor(weight);
  const rest = weight - whole;
  if (rest === 0) return () => whole;
  const words = new Uint32Array(new Uint8Array(hashes()).buffer);
  // The split goes by the first bytes of the hash; this goes by the last.
  return (row) => whole + (words[((row + 1) * HASH_BYTES) / 4 - 1]! / 2 ** 32 < rest ? 1 : 0);
}

function keptNames(work: Work, plan: Plan, parts: readonly Part[], base: number): (row: number) => string {
  const name = namer(work, plan, parts);
  const bytes = new Uint8Array(readFileSync(work.path(KEPT_AS)));
  const keptAs = new Uint32Array(bytes.buffer);
  return (row) => `same as ${name(keptAs[base + row]!)}`;
}

function readSlice(path: string, from: number, length: number): Uint8Array {
  return readFileSync(path).subarray(from, from + length);
}
