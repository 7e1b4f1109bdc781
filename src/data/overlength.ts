import type { PrepareConfig } from '../config/index.ts';
import { LlmkitError } from '../core/errors.ts';
import { countTargets } from './encode.ts';
import { RowList } from './row-list.ts';
import type { Encoded } from './types.ts';

/**
 * Makes examples fit: longer ones are refused, dropped, cut at the end, or split into pieces, and counted by name.
 * A piece begins with the last token of the one before it, as context, so that splitting loses no target. What has no
 * target, or lost all of them with its end, does not train anything: it is refused or dropped, never passed on.
 */
export class Fitter {
  /** Examples longer than the limit. */
  readonly overlength = new RowList();
  /** Examples that never had a target. */
  readonly untargeted = new RowList();
  /** Examples whose targets were all cut off. */
  readonly cutOff = new RowList();
  /** Tokens of the longest example, as it came. */
  longest = 0;
  /** Targets dropped or cut off. */
  targetsLost = 0;
  readonly #maxLength: number;
  readonly #policy: PrepareConfig['overlength'];

  constructor(maxLength: number, policy: PrepareConfig['overlength']) {
    this.#maxLength = maxLength;
    this.#policy = policy;
  }

  fit(example: Encoded): Encoded[] {
    const { length } = example.inputIds;
    const targets = countTargets(example);
    this.longest = Math.max(this.longest, length);
    if (targets === 0) {
      this.untargeted.add(example.id);
      return [];
    }
    if (length <= this.#maxLength) return [example];
    this.overlength.add(`${example.id} (${length} tokens)`);
    const kept = this.#cut(example).filter((part) => countTargets(part) > 0);
    this.targetsLost += targets - kept.reduce((sum, part) => sum + countTargets(part), 0);
    if (kept.length === 0 && this.#policy === 'truncate') this.cutOff.add(example.id);
    return kept;
  }

  #cut(example: Encoded): Encoded[] {
    if (this.#policy === 'truncate') return [piece(example, 0, this.#maxLength)];
    const pieces: Encoded[] = [];
    if (this.#policy === 'split') {
      // Each piece has one token of context; with a limit of one token there is nothing to predict from.
      const step = Math.max(1, this.#maxLength - 1);
      for (let at = 0; at < example.inputIds.length - 1; at += step)
        pieces.push(piece(example, at, at + this.#maxLength));
    }
    return pieces;
  }

  /**
   * The errors that the policies ask for once every row was seen, so that they can say how many.
   *
   * @throws LlmkitError('data')
   */
  check(malformed: PrepareConfig['malformed']): void {
    if (malformed === 'error' && this.untargeted.count > 0) {
      throw new LlmkitError('data', `${this.untargeted.count} rows have no answer to train on`, {
        where: this.untargeted.shown(),
        expected: 'at least one token that carries loss in every row',
        hint: 'fill the answers in, or set prepare.malformed: skip to leave such rows out and count them',
      });
    }
    if (this.#policy === 'error' && this.overlength.count > 0) {
      throw new LlmkitError('data', `${this.overlength.count} rows are longer than max_length`, {
        where: this.overlength.shown(),
        expected: `at most ${this.#maxLength} tokens`,
        got: `up to ${this.longest}`,
        hint: `set prepare.max_length to ${this.longest}, or prepare.overlength to drop, truncate or split`,
      });
    }
  }
}

function piece(example: Encoded, from: number, to: number): Encoded {
  const isTarget = example.isTarget.slice(from, to);
  isTarget[0] = 0;
  return { id: example.id, inputIds: example.inputIds.slice(from, to), isTarget };
}
