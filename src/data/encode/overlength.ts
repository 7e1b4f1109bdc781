import type { PrepareConfig } from '../../config/index.ts';
import { LlmkitError } from '../../core/errors.ts';
import { addRow, addTally, emptyTally, type RowTally } from '../tally.ts';
import type { Encoded, Item } from '../types.ts';
import { countTargets } from './encoder.ts';

/** What fitting did to the examples. */
export interface FitTally {
  /** Examples longer than the limit. */
  overlength: RowTally;
  /** Examples that never had a target. */
  untargeted: RowTally;
  /** Examples whose targets were all cut off. */
  cutOff: RowTally;
  /** Tokens of the longest example, as it came. */
  longest: number;
  /** Targets dropped or cut off. */
  targetsLost: number;
}

export function emptyFit(): FitTally {
  return { overlength: emptyTally(), untargeted: emptyTally(), cutOff: emptyTally(), longest: 0, targetsLost: 0 };
}

export function addFit(sum: FitTally, other: FitTally): void {
  for (const list of ['overlength', 'untargeted', 'cutOff'] as const) addTally(sum[list], other[list]);
  sum.longest = Math.max(sum.longest, other.longest);
  sum.targetsLost += other.targetsLost;
}

/**
 * Makes examples fit: longer ones are refused, dropped, cut at the end, or split into pieces, and counted by name.
 * A piece begins with the last token of the one before it, as context, so that splitting loses no target. What has no
 * target, or lost all of them with its end, does not train anything: it is refused or dropped, never passed on. A pair
 * is as long as the longer of its answers, and needs targets in both.
 */
export class Fitter {
  readonly tally = emptyFit();
  readonly #maxLength: number;
  readonly #policy: PrepareConfig['overlength'];

  constructor(maxLength: number, policy: PrepareConfig['overlength']) {
    this.#maxLength = maxLength;
    this.#policy = policy;
  }

  /** @returns what is left of the item: nothing, itself, or its pieces, each of at most `maxLength` tokens. */
  fit<T extends Item>(item: T): T[] {
    const { tally } = this;
    const length = lengthOf(item);
    const targets = targetsOf(item);
    tally.longest = Math.max(tally.longest, length);
    if (targets === 0) {
      addRow(tally.untargeted, item.id);
      return [];
    }
    if (length <= this.#maxLength) return [item];
    addRow(tally.overlength, `${item.id} (${length} tokens)`);
    const kept = this.#cut(item).filter((part) => targetsOf(part) > 0);
    tally.targetsLost += targets - kept.reduce((sum, part) => sum + targetsOf(part), 0);
    if (kept.length === 0 && this.#policy === 'truncate') addRow(tally.cutOff, item.id);
    return kept;
  }

  #cut<T extends Item>(item: T): T[] {
    if (this.#policy === 'truncate') return [this.#truncated(item)];
    if (this.#policy !== 'split') return [];
    if ('chosen' in item) throw new LlmkitError('bug', 'a pair cannot be split', { where: item.id });
    const pieces: Item[] = [];
    // Each piece has one token of context; with a limit of one token there is nothing to predict from.
    const step = Math.max(1, this.#maxLength - 1);
    for (let at = 0; at < item.inputIds.length - 1; at += step) pieces.push(piece(item, at, at + this.#maxLength));
    return pieces as T[];
  }

  #truncated<T extends Item>(item: T): T {
    if (!('chosen' in item)) return piece(item, 0, this.#maxLength) as T;
    const chosen = piece(item.chosen, 0, this.#maxLength);
    return { ...item, chosen, rejected: piece(item.rejected, 0, this.#maxLength) };
  }
}

/** Tokens of an example; of a pair those of its longer answer. */
export function lengthOf(item: Item): number {
  if (!('chosen' in item)) return item.inputIds.length;
  return Math.max(item.chosen.inputIds.length, item.rejected.inputIds.length);
}

/** Tokens that carry loss; 0 for a pair that lacks them in one of its answers. */
export function targetsOf(item: Item): number {
  if (!('chosen' in item)) return countTargets(item);
  const [chosen, rejected] = [countTargets(item.chosen), countTargets(item.rejected)];
  return chosen > 0 && rejected > 0 ? chosen + rejected : 0;
}

/** The sequences of an item: one, or the two of a pair. */
export function sequencesOf(item: Item): readonly Encoded[] {
  return 'chosen' in item ? [item.chosen, item.rejected] : [item];
}

/**
 * The errors that the policies ask for once every row was seen, so that they can say how many.
 *
 * @throws LlmkitError('data')
 */
export function checkFit(tally: FitTally, config: PrepareConfig): void {
  const { untargeted, overlength, longest } = tally;
  if (config.malformed === 'error' && untargeted.count > 0) {
    throw new LlmkitError('data', `${untargeted.count} rows have no answer to train on`, {
      where: shown(untargeted),
      expected: 'at least one token that carries loss in every row',
      hint: 'fill the answers in, or set prepare.malformed: skip to leave such rows out and count them',
    });
  }
  if (config.overlength === 'error' && overlength.count > 0) {
    throw new LlmkitError('data', `${overlength.count} rows are longer than max_length`, {
      where: shown(overlength),
      expected: `at most ${config.max_length} tokens`,
      got: `up to ${longest}`,
      hint: `set prepare.max_length to ${longest}, or prepare.overlength to drop, truncate or split`,
    });
  }
}

const SHOWN = 5;

/** `a:1, a:7, a:9 and 12 more` */
function shown({ rows, count }: RowTally): string {
  return `${rows.slice(0, SHOWN).join(', ')}${count > SHOWN ? ` and ${count - SHOWN} more` : ''}`;
}

function piece(example: Encoded, from: number, to: number): Encoded {
  const isTarget = example.isTarget.slice(from, to);
  isTarget[0] = 0;
  return { id: example.id, inputIds: example.inputIds.subarray(from, to), isTarget };
}
