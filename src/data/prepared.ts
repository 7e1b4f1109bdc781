import { join } from 'node:path';
import { LlmkitError } from '../core/errors.ts';
import { type Dataset, datasetSplits, openDataset } from '../io/arrow.ts';
import { type Manifest, readManifest } from '../io/manifest.ts';
import { PREPARED_FEATURES } from './packed-writer.ts';

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

/** What `llmkit prepare` left: packed splits, the tokenizer that made them, and the manifest. */
export interface Prepared {
  readonly dir: string;
  readonly splits: readonly string[];
  /** @throws LlmkitError('data') when there is no such split. */
  split(name: string): PreparedSplit;
  readonly tokenizerDir: string;
  readonly vocabSize: number;
  /** Tokens that end an answer in the training data: generation stops at them. */
  readonly stopTokenIds: readonly number[];
  readonly manifest: Manifest;
  close(): void;
}

/**
 * Opens a prepared/ folder.
 *
 * @throws LlmkitError('data') when it is not one that `prepare` finished.
 */
export function openPrepared(dir: string): Prepared {
  const manifest = readManifest(dir);
  const { max_length: maxLength, vocab_size: vocabSize, stop_token_ids: stops } = manifest.extra ?? {};
  if (manifest.command !== 'prepare' || typeof maxLength !== 'number' || typeof vocabSize !== 'number') {
    throw new LlmkitError('data', `${dir} was not made by llmkit prepare`, {
      where: dir,
      got: `the output of ${manifest.command}`,
      hint: 'run llmkit prepare with this config first',
    });
  }
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
      const data = open.get(name) ?? openSplit(join(dir, name));
      open.set(name, data);
      return { numRows: data.numRows, maxLength, row: (index) => readRow(data, index) };
    },
    close() {
      for (const data of open.values()) data.close();
      open.clear();
    },
  };
}

function openSplit(dir: string): Dataset {
  const data = openDataset(dir);
  for (const [name, type] of Object.entries(PREPARED_FEATURES)) {
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
