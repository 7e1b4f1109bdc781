import type { LlmkitEvent } from '../core/events.ts';

/** What one step said of itself. */
export type StepValues = Readonly<Record<string, number>>;

/** The figures of a run over its steps, thinned where there are too many to draw. */
export class History {
  readonly steps: { step: number; values: StepValues }[] = [];
  readonly validation: { step: number; loss: number }[] = [];
  readonly samples: Sample[] = [];
  readonly #most: number;
  #every = 1;

  /** @param most steps that are kept; when there are more, every second goes, again and again */
  constructor(most = 2000) {
    this.#most = most;
  }

  event(event: LlmkitEvent): void {
    if (event.type === 'step' && event.unit === 'steps') this.#step(event.current, event.values ?? {});
    else if (event.type === 'metric' && event.name === 'validation_loss' && event.step !== undefined)
      this.validation.push({ step: event.step, loss: event.value });
  }

  #step(step: number, values: StepValues): void {
    if (step % this.#every !== 0) return;
    this.steps.push({ step, values });
    if (this.steps.length <= this.#most) return;
    this.#every *= 2;
    const kept = this.steps.filter((one) => one.step % this.#every === 0);
    this.steps.splice(0, this.steps.length, ...kept);
  }

  /** The points of one figure. */
  points(name: string): [step: number, value: number][] {
    return this.steps.flatMap(({ step, values }) => {
      const value = values[name];
      return value === undefined ? [] : [[step, value]];
    });
  }
}

/** What the model said to a prompt of `sample_prompts` at a step. */
export interface Sample {
  step: number;
  prompt: string;
  text: string;
}

/** Exponential moving average without the bias of its beginning, as TensorBoard smooths. @param weight of the past, 0 to 1 */
export function smooth(points: readonly (readonly [number, number])[], weight: number): [number, number][] {
  let sum = 0;
  let share = 0;
  return points.flatMap(([x, y]) => {
    if (!Number.isFinite(y)) return [];
    sum = weight * sum + (1 - weight) * y;
    share = weight * share + (1 - weight);
    return [[x, sum / share]];
  });
}
