import type { PrepareConfig } from '../config/index.ts';
import { LlmkitError, LlmkitErrors } from '../core/errors.ts';
import type { RowList } from './row-list.ts';

/** Errors are shown together; after this many the rest of the data is not looked at. */
const MOST_ERRORS = 20;

/** Rows that cannot be used: errors, all of them at the end, or a count when they are to be skipped. */
export class Refusals {
  readonly #policy: PrepareConfig['malformed'];
  readonly #list: RowList;
  readonly #errors: LlmkitError[] = [];

  constructor(policy: PrepareConfig['malformed'], list: RowList) {
    this.#policy = policy;
    this.#list = list;
  }

  /** @throws whatever is not an error in the data; LlmkitErrors when there are too many to go on. */
  add(error: unknown, where: string): void {
    if (!(error instanceof LlmkitError) || error.kind !== 'data') throw error;
    this.#list.add(error.where ?? where);
    if (this.#policy === 'error') this.#errors.push(error);
    if (this.#errors.length >= MOST_ERRORS) throw this.#together(`at least ${MOST_ERRORS}`);
  }

  /** @throws the errors that came, unless they are to be skipped. */
  check(): void {
    if (this.#errors.length === 1) throw this.#errors[0]!;
    if (this.#errors.length > 0) throw this.#together(String(this.#errors.length));
  }

  #together(count: string): LlmkitErrors {
    return new LlmkitErrors('data', `${count} rows cannot be used`, this.#errors);
  }
}
