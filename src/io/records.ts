import type { LlmkitError } from '../core/errors.ts';

/**
 * One record of a source file, or the reason why there is none. A reader goes on after a bad record, so that the caller
 * decides between stopping and counting.
 */
export type RawRecord =
  | {
      /** `file:line` (lines) or `file row n` (tables, from 1 without the header), for messages. */
      where: string;
      /** A string for text, an object for everything else. */
      value: unknown;
    }
  | { where: string; error: LlmkitError };
