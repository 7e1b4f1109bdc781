import type { LlmkitEvent } from '../../../core/events.ts';
import type { NativeVariant } from '../cache.ts';

/** What every step of setup is given. */
export interface SetupContext {
  variant: NativeVariant;
  emit: (event: LlmkitEvent) => void;
  signal: AbortSignal | undefined;
}
