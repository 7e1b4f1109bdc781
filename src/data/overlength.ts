import type { PrepareConfig } from '../config/index.ts';
import { LlmkitError } from '../core/errors.ts';
import { countTargets } from './encode.ts';
import { RowList } from './row-list.ts';
import type { Encoded } from './types.ts';

/**
 * Makes examples fit: longer ones are refused, dropped, cut at the end, or cut into pieces, and counted by name.
 * What has no target, or lost it with its end, does not train anything: it is refused or dropped, never passed on.
 */
export class Fitter {
  /** Examples longer than the limit. */
  readonly overlength = new RowList();
  /** Examples that never had a target. */
  readonly untargeted = new RowList();
  /** Examples (or pieces of one) whose targets were all cut off. */
  readonly cutOff = new RowList();
  /** Of the examples as they came. */
  longest = 0;
  tokensLost = 0;
  readonly #maxLength: number;
  readonly #policy: PrepareConfig['overlength'];

  constructor(maxLength: number, policy: PrepareConfig['overlength']) {
    this.#maxLength = maxLength;
    this.#policy = policy;
  }

  fit(example: Encoded): Encoded[] {
    const { length } = example.inputIds;
    this.longest = Math.max(this.longest, length);
    if (countTargets(example) === 0) {
      this.untargeted.add(example.id);
      return [];
    }
    if (length <= this.#maxLength) return [example];
    this.overlength.add(`${example.id} (${length} tokens)`);
    const pieces: Encoded[] = [];
    if (this.#policy === 'truncate') pieces.push(piece(example, 0, this.#maxLength));
    if (this.#policy === 'split') {
      for (let at = 0; at < length; at += this.#maxLength) pieces.push(piece(example, at, at + this.#maxLength));
    }
    const kept = pieces.filter((part) => countTargets(part) > 0);
    if (kept.length < pieces.length) this.cutOff.add(example.id);
    this.tokensLost += length - kept.reduce((sum, part) => sum + part.inputIds.length, 0);
    return kept;
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
