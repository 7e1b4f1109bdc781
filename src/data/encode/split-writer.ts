import type { PrepareConfig, RowType } from '../../config/index.ts';
import { LlmkitError } from '../../core/errors.ts';
import type { Features } from '../../io/arrow.ts';
import type { Item, PreparedKind } from '../types.ts';
import { PackedWriter, PREPARED_FEATURES, type SplitResult } from './packed-writer.ts';
import { PAIR_FEATURES, PairWriter } from './pair-writer.ts';

/** Writes one split of a prepared/ folder; `item` is of the folder's kind. */
export interface SplitWriter {
  /** Of `files` and `fingerprint` nothing is known before the end. */
  readonly result: SplitResult;
  add(item: Item): void;
  finish(): void;
  abort(): void;
}

export function openSplitWriter(kind: PreparedKind, dir: string, split: string, config: PrepareConfig): SplitWriter {
  return kind === 'pairs'
    ? new PairWriter(dir, split)
    : new PackedWriter(dir, split, config.max_length, config.packing);
}

/** The columns of a folder of this kind. */
export function featuresOf(kind: PreparedKind): Features {
  return kind === 'pairs' ? PAIR_FEATURES : PREPARED_FEATURES;
}

/** How the rows of a file are read, and what the file is called in errors. */
export interface TypedFile {
  name: string;
  /** Undefined when no row of it can be read. */
  type: RowType | undefined;
}

/**
 * What a prepare makes of its files: pairs where they hold preference rows and `preference` is not `chosen`.
 *
 * @param overlengthWhere where the config has that key, for errors.
 * @throws LlmkitError('config') when preference rows and others would have to stand in one dataset, or pairs be split.
 */
export function kindOf(
  files: readonly TypedFile[],
  config: PrepareConfig,
  overlengthWhere = 'prepare.overlength',
): PreparedKind {
  if (config.preference === 'chosen') return 'packed';
  const known = files.filter(({ type }) => type !== undefined);
  const pairs = known.filter(({ type }) => type === 'preference');
  if (pairs.length === 0) return 'packed';
  const other = known.find(({ type }) => type !== 'preference');
  if (other !== undefined) {
    throw new LlmkitError('config', 'preference rows and others cannot be prepared together', {
      where: other.name,
      expected: `preference rows, as in ${pairs[0]!.name}`,
      got: `${other.type} rows`,
      hint: 'prepare them apart, or set prepare.preference: chosen to train on the chosen answers alone',
    });
  }
  if (config.overlength === 'split') {
    throw new LlmkitError('config', 'preference pairs cannot be split', {
      where: overlengthWhere,
      expected: 'error, drop or truncate',
      got: 'split',
      hint: 'truncate cuts both answers at their ends; prepare.preference: chosen makes plain conversations, which can be split',
    });
  }
  return 'pairs';
}
