import { setImmediate } from 'node:timers/promises';
import { LlmkitError } from '../core/errors.ts';
import type { CommandContext } from '../core/events.ts';

/** What the stages need of a command's context. */
export type DataContext = Pick<CommandContext, 'emit' | 'signal'>;

const TELL_EVERY_MS = 100;
const BREATHE_EVERY_MS = 50;
/** The clock is read once in so many ticks. */
const TICKS_A_LOOK = 64;

/** Tells how far a stage is, at most ten times a second, and lets signals through while it works. */
export class Progress {
  readonly #stage: string;
  readonly #unit: string;
  readonly #total: number | undefined;
  readonly #context: DataContext;
  readonly #begun = performance.now();
  #told = performance.now();
  #breathed = performance.now();
  #ticks = 0;

  constructor(context: DataContext, stage: string, unit: string, total?: number, message?: string) {
    this.#context = context;
    this.#stage = stage;
    this.#unit = unit;
    this.#total = total;
    context.emit({ type: 'stage', stage, status: 'begin', ...(message === undefined ? {} : { message }) });
  }

  /** Call once an item. @throws LlmkitError('interrupted') when the signal was aborted. */
  async tick(values?: () => Record<string, number>): Promise<void> {
    this.#ticks++;
    if (this.#ticks % TICKS_A_LOOK !== 0) return;
    const now = performance.now();
    if (now - this.#breathed >= BREATHE_EVERY_MS) {
      await setImmediate();
      this.#breathed = performance.now();
      if (this.#context.signal.aborted) {
        throw new LlmkitError('interrupted', 'prepare was interrupted; nothing was changed', { where: this.#stage });
      }
    }
    if (now - this.#told < TELL_EVERY_MS) return;
    this.#told = now;
    const total = this.#total === undefined ? {} : { total: this.#total };
    const shown = values === undefined ? {} : { values: values() };
    this.#context.emit({
      type: 'step',
      stage: this.#stage,
      current: this.#ticks,
      unit: this.#unit,
      ...total,
      ...shown,
    });
  }

  end(message: string): void {
    const ms = performance.now() - this.#begun;
    this.#context.emit({ type: 'stage', stage: this.#stage, status: 'end', message, ms });
  }
}
