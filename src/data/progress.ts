import type { CommandContext } from '../core/events.ts';

/** What the stages need of a command's context. */
export type DataContext = Pick<CommandContext, 'emit' | 'signal'>;

const TELL_EVERY_MS = 100;

/** Tells how far a stage is, at most ten times a second; its tasks, on several threads, add to it. */
export class StageProgress {
  readonly #stage: string;
  readonly #total: number | undefined;
  readonly #context: DataContext;
  readonly #begun = performance.now();
  #told = performance.now();
  #done = 0;

  /** @param total rows; undefined where it is not known before. */
  constructor(context: DataContext, stage: string, total: number | undefined) {
    this.#context = context;
    this.#stage = stage;
    this.#total = total;
    context.emit({ type: 'stage', stage, status: 'begin' });
  }

  add(done: number): void {
    this.#done += done;
    const now = performance.now();
    if (now - this.#told < TELL_EVERY_MS) return;
    this.#told = now;
    const total = this.#total === undefined ? {} : { total: this.#total };
    this.#context.emit({ type: 'step', stage: this.#stage, current: this.#done, unit: 'rows', ...total });
  }

  end(message: string): void {
    const ms = performance.now() - this.#begun;
    this.#context.emit({ type: 'stage', stage: this.#stage, status: 'end', message, ms });
  }
}
