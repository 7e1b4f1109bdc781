/** What one check found. A failure stops llmkit's main road, a warning only slows it or narrows it. */
export interface Check {
  name: string;
  status: 'ok' | 'warning' | 'failed';
  /** What was seen: versions, sizes, or what went wrong. */
  detail: string;
  /** What to do about it, on a warning or a failure. */
  hint?: string;
}

/** Runs a check; whatever it throws becomes a failure with the error's own words and hint. */
export async function guarded(name: string, check: () => Check | Promise<Check>, hint: string): Promise<Check> {
  try {
    return await check();
  } catch (error) {
    const { message, got, hint: own } = error as Error & { got?: string; hint?: string };
    return { name, status: 'failed', detail: got === undefined ? message : `${message}: ${got}`, hint: own ?? hint };
  }
}
