import { LlmkitError } from '../../src/core/errors.ts';

/** The LlmkitError that `run` throws; anything else it throws goes on, and throwing nothing fails the test. */
export function failure(run: () => unknown): LlmkitError {
  try {
    run();
  } catch (error) {
    if (error instanceof LlmkitError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** The LlmkitError that `promise` rejects with; anything else goes on, and no rejection fails the test. */
export async function rejection(promise: Promise<unknown>): Promise<LlmkitError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof LlmkitError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
