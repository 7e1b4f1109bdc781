import type { LlmkitEvent } from '../../../core/events.ts';
import type { NativeVariant } from '../cache.ts';

/** What every step of setup is given. */
export interface SetupContext {
  variant: NativeVariant;
  emit: (event: LlmkitEvent) => void;
  signal: AbortSignal | undefined;
}

/** Disk that the making takes at its peak: wheel, libraries and headers side by side. The CPU's engine keeps 853 MB of it. */
export const PEAK_BYTES: Record<NativeVariant, number> = { cpu: 1.3e9, gpu: 9e9 };
