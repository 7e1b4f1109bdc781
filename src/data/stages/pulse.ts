import { setImmediate } from 'node:timers/promises';
import { LlmkitError } from '../../core/errors.ts';

const TELL_EVERY_MS = 100;
const BREATHE_EVERY_MS = 50;
/** The clock is read once in so many ticks. */
const TICKS_A_LOOK = 32;

/** How a task tells how far it is, and hears that it should stop. */
export interface Listener {
  /** @param done units (rows or bytes, as the stage counts) since the last call. */
  progress(done: number): void;
  stopped(): boolean;
}

export const INTERRUPTED = 'prepare was interrupted; run it again and it goes on from here';

/** A task's pulse: called for every item, cheap, it reports at most ten times a second and lets the event loop run. */
export class Pulse {
  readonly #listener: Listener;
  #done = 0;
  #ticks = 0;
  #told = performance.now();
  #breathed = performance.now();

  constructor(listener: Listener) {
    this.#listener = listener;
  }

  /**
   * Call it once an item and await what it returns, if anything.
   *
   * @throws LlmkitError('interrupted') once the run is to stop.
   */
  tick(done: number): Promise<void> | undefined {
    this.#done += done;
    this.#ticks++;
    if (this.#ticks % TICKS_A_LOOK !== 0) return undefined;
    const now = performance.now();
    if (now - this.#told >= TELL_EVERY_MS) this.flush(now);
    return now - this.#breathed >= BREATHE_EVERY_MS ? this.#breathe() : undefined;
  }

  flush(now = performance.now()): void {
    this.#told = now;
    if (this.#done > 0) this.#listener.progress(this.#done);
    this.#done = 0;
  }

  async #breathe(): Promise<void> {
    await setImmediate();
    this.#breathed = performance.now();
    if (this.#listener.stopped()) throw new LlmkitError('interrupted', INTERRUPTED);
  }
}
