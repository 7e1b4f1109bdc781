import { setImmediate } from 'node:timers/promises';
import { LlmkitError } from '../core/errors.ts';

/**
 * Lets messages through (an abort reaches a worker only when it yields), then looks at the signal.
 *
 * @throws LlmkitError('interrupted') when it was aborted.
 */
export async function checkpoint(signal: AbortSignal | undefined): Promise<void> {
  await setImmediate();
  if (signal?.aborted === true) throw new LlmkitError('interrupted', 'interrupted');
}
