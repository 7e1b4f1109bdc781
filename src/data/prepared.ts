import { join } from 'node:path';
import { LlmkitError } from '../core/errors.ts';
import { type Dataset, datasetSplits, type Features, openDataset } from '../io/arrow.ts';
import { type Manifest, readManifest } from '../io/manifest.ts';
import { PREPARED_FEATURES } from './encode/packed-writer.ts';
import { PAIR_FEATURES } from './encode/pair-writer.ts';
import type { PreparedKind } from './types.ts';

/** One packed row: tokens, labels [n] (-100: no loss), positions from 0 in each document, lengths of the documents. */
export interface PreparedRow {
  inputIds: Int32Array;
  labels: Int32Array;
  positionIds: Int32Array;
  seqLengths: Int32Array;
}

export interface PreparedSplit {
  readonly numRows: number;
  /** The most tokens a row can have. */
  readonly maxLength: number;
  /** Read from disk when asked for; rows of one batch after another are cheapest. */
  row(index: number): PreparedRow;
}

/** One preference pair: tokens and labels [n] (-100: no loss) of both answers, each behind the same prompt. */
export interface PreparedPair {
  chosenInputIds: Int32Array;
  chosenLabels: Int32Array;
  rejectedInputIds: Int32Array;
  rejectedLabels: Int32Array;
}

export interface PreparedPairSplit {
  readonly numPairs: number;
  /** The most tokens an answer with its prompt can have. */
  readonly maxLength: number;
  /** Read from disk when asked for. */
  pair(index: number): PreparedPair;
}

/** What `llmkit prepare` left: splits, the tokenizer that made them, and the manifest. */
export interface PreparedFolder<Split> {
  readonly dir: string;
  readonly splits: readonly string[];
  /** @throws LlmkitError('data') when there is no such split. */
  split(name: string): Split;
  readonly tokenizerDir: string;
  readonly vocabSize: number;
  /** Tokens that end an answer in the training data: generation stops at them. */
  readonly stopTokenIds: readonly number[];
  readonly manifest: Manifest;
  close(): void;
}

/** Packed rows: what pretraining, finetuning and evaluation read. */
export type Prepared = PreparedFolder<PreparedSplit>;
/** Preference pairs: what alignment reads. */
export type PreparedPairs = PreparedFolder<PreparedPairSplit>;

/**
 * Opens a prepared/ folder of packed rows.
 *
 * @throws LlmkitError('data') when it is not one that `prepare` finished, or holds preference pairs.
 */
export function openPrepared(dir: string): Prepared {
  return openFolder(dir, 'packed', PREPARED_FEATURES, (data, maxLength) => ({
    numRows: data.numRows,
    maxLength,
    row: (index) => readRow(data, index),
  }));
}

/**
 * Opens a prepared/ folder of preference pairs.
 *
 * @throws LlmkitError('data') when it is not one that `prepare` finished, or holds packed rows.
 */
export function openPreparedPairs(dir: string): PreparedPairs {
  return openFolder(dir, 'pairs', PAIR_FEATURES, (data, maxLength) => ({
    numPairs: data.numRows,
    maxLength,
    pair: (index) => readPair(data, index),
  }));
}

function openFolder<Split>(
  dir: string,
  kind: PreparedKind,
  features: Features,
  splitOf: (data: Dataset, maxLength: number) => Split,
): PreparedFolder<Split> {
  const manifest = readManifest(dir);
  const { max_length: maxLength, vocab_size: vocabSize, stop_token_ids: stops } = manifest.extra ?? {};
  if (manifest.command !== 'prepare' || typeof maxLength !== 'number' || typeof vocabSize !== 'number') {
    throw new LlmkitError('data', `${dir} was not made by llmkit prepare`, {
      where: dir,
      got: `the output of ${manifest.command}`,
      hint: 'run llmkit prepare with this config first',
    });
  }
  checkKind(dir, kind, manifest.extra?.['kind'] ?? 'packed');
  const splits = datasetSplits(dir);
  const open = new Map<string, Dataset>();
  return {
    dir,
    splits,
    tokenizerDir: join(dir, 'tokenizer'),
    vocabSize,
    stopTokenIds: Array.isArray(stops) ? (stops as number[]) : [],
    manifest,
    split(name) {
      if (!splits.includes(name)) {
        throw new LlmkitError('data', `there is no ${name} split`, {
          where: dir,
          got: splits.join(', '),
          hint: name === 'validation' ? 'set prepare.split.validation and prepare again' : 'prepare the data again',
        });
      }
      const data = open.get(name) ?? openSplit(join(dir, name), features);
      open.set(name, data);
      return splitOf(data, maxLength);
    },
    close() {
      for (const data of open.values()) data.close();
      open.clear();
    },
  };
}

function checkKind(dir: string, wanted: PreparedKind, kind: unknown): void {
  if (kind === wanted) return;
  const [expected, got, hint] =
    wanted === 'packed'
      ? [
          'packed rows',
          'preference pairs, which only alignment trains on',
          'set prepare.preference: chosen and prepare again, to train on the chosen answers',
        ]
      : [
          'preference pairs',
          'packed rows',
          'prepare rows that have prompt, chosen and rejected (prepare.preference: pairs)',
        ];
  throw new LlmkitError('data', `${dir} does not hold ${expected}`, { where: dir, expected, got, hint });
}

function openSplit(dir: string, features: Features): Dataset {
  const data = openDataset(dir);
  for (const [name, type] of Object.entries(features)) {
    if (data.features[name] === type) continue;
    data.close();
    throw new LlmkitError('data', `the column ${name} is not what prepare writes`, {
      where: dir,
      expected: type,
      got: data.features[name] ?? 'no such column',
      hint: 'prepare the data again',
    });
  }
  return data;
}

function readRow(data: Dataset, index: number): PreparedRow {
  const row = data.row(index) as Record<keyof typeof PREPARED_FEATURES, Int32Array>;
  return {
    inputIds: row.input_ids,
    labels: row.labels,
    positionIds: row.position_ids,
    seqLengths: row.seq_lengths,
  };
}

function readPair(data: Dataset, index: number): PreparedPair {
  const row = data.row(index) as Record<keyof typeof PAIR_FEATURES, Int32Array>;
  return {
    chosenInputIds: row.chosen_input_ids,
    chosenLabels: row.chosen_labels,
    rejectedInputIds: row.rejected_input_ids,
    rejectedLabels: row.rejected_labels,
  };
}
