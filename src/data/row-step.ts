import type { Example } from './types.ts';

/** Why a row was dropped: the rule by its full name, what was measured, and what would have passed. */
export interface Drop {
  /** `filters.gopher_quality.min_doc_words`, `pii.email`, `decontaminate`: the config key that decides it. */
  rule: string;
  value: string | number;
  limit: string | number;
}

/** What a step makes of a row: the row, changed or as it was, or the reason to drop it. */
export type StepResult =
  | {
      example: Example;
      /** A rule that the row hit and that only flags: the report counts it and names rows. */
      flag?: string;
    }
  | { drop: Drop };

/**
 * One thing that `prepare` does with a row on its own: cleaning, redaction, filters, decontamination. Steps hold no state
 * that one row leaves for the next but `counts`, so rows can be worked on in any order and on any thread.
 */
export interface RowStep {
  /** Its stage in the funnel: `clean`, `pii`, `keywords`, `language`, `filters`, `decontaminate`. */
  readonly stage: string;
  /** What was changed, by name, e.g. `email redacted: 12`; for the report. Drops are counted by the caller. */
  readonly counts: Record<string, number>;
  apply(example: Example): StepResult;
}
