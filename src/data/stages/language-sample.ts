import { identifyLanguage } from '../clean/language.ts';

/** Languages of a sample of the rows that were kept. */
export interface LanguageTally {
  sampled: number;
  rows: Record<string, number>;
}

/** One row in 16, chosen by its hash, so that the sample does not depend on the order of the rows or on threads. */
const ONE_IN = 16;
/** A language is told by the beginning of a text. */
const LOOK_UNITS = 1000;

export class LanguageSample {
  readonly #tally: LanguageTally;

  constructor(tally: LanguageTally) {
    this.#tally = tally;
  }

  look(document: string, hash: Uint8Array): void {
    if (hash[hash.length - 1]! % ONE_IN !== 0) return;
    const { language } = identifyLanguage(document.slice(0, LOOK_UNITS));
    this.#tally.sampled++;
    this.#tally.rows[language] = (this.#tally.rows[language] ?? 0) + 1;
  }
}
