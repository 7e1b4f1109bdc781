/** What went wrong, in the terms of the exit-code table in `src/cli/exit-codes.ts`. */
export type ErrorKind = 'gate' | 'usage' | 'config' | 'environment' | 'data' | 'io' | 'bug' | 'interrupted';

export interface ErrorDetails {
  /** `file:line:col`, a key path, a tensor name: whatever lets the user go to the place. */
  where?: string;
  expected?: string;
  got?: string;
  /** What to do about it, ideally a command. */
  hint?: string;
  cause?: unknown;
}

/**
 * An error meant for a person: what, where, expected and got, and a hint.
 * Everything the user can cause is thrown as one of these; anything else that escapes is a bug (exit 70).
 */
export class LlmkitError extends Error {
  readonly kind: ErrorKind;
  readonly where: string | undefined;
  readonly expected: string | undefined;
  readonly got: string | undefined;
  readonly hint: string | undefined;

  constructor(kind: ErrorKind, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'LlmkitError';
    this.kind = kind;
    this.where = details.where;
    this.expected = details.expected;
    this.got = details.got;
    this.hint = details.hint;
  }

  /** Plain data, to cross a worker boundary or go into `--json`. */
  toJSON(): ErrorRecord {
    const record: ErrorRecord = { kind: this.kind, message: this.message };
    if (this.where !== undefined) record.where = this.where;
    if (this.expected !== undefined) record.expected = this.expected;
    if (this.got !== undefined) record.got = this.got;
    if (this.hint !== undefined) record.hint = this.hint;
    if (this.stack !== undefined) record.stack = this.stack;
    return record;
  }
}

export interface ErrorRecord {
  kind: ErrorKind;
  message: string;
  where?: string;
  expected?: string;
  got?: string;
  hint?: string;
  stack?: string;
}

/** Several errors found in one pass (a config file, a data file), reported together. */
export class LlmkitErrors extends LlmkitError {
  readonly errors: LlmkitError[];

  constructor(kind: ErrorKind, message: string, errors: LlmkitError[]) {
    super(kind, message);
    this.name = 'LlmkitErrors';
    this.errors = errors;
  }

  override toJSON(): ErrorRecord & { errors: ErrorRecord[] } {
    return { ...super.toJSON(), errors: this.errors.map((error) => error.toJSON()) };
  }
}

/** The error that `toJSON` made a record of, on the other side of a worker boundary. */
export function restoreError(record: ErrorRecord & { errors?: ErrorRecord[] }): LlmkitError {
  const { kind, message, stack, errors, ...details } = record;
  const error =
    errors === undefined
      ? new LlmkitError(kind, message, details)
      : new LlmkitErrors(kind, message, errors.map(restoreError));
  if (stack !== undefined) error.stack = stack;
  return error;
}
