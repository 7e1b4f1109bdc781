/** What a run knows of its validations; part of every checkpoint, so that a resumed run selects as the whole one would. */
export interface SelectionState {
  /** Lowest validation loss so far, in nats, and its step. */
  bestLoss: number;
  bestStep: number;
  /** Validations since one improved by more than the threshold. */
  sinceBest: number;
  /** The last step whose validation was looked at. */
  validatedStep: number;
}

export interface SelectionOptions {
  /** Validations without improvement after which training stops; undefined: never. */
  patience: number | undefined;
  /** By how much a loss must be lower to count as an improvement. */
  threshold: number;
  /** Keep the best checkpoint and end with it. */
  keepBest: boolean;
}

/**
 * Early stopping and the choice of the best checkpoint, as transformers' EarlyStoppingCallback and
 * load_best_model_at_end with metric_for_best_model=loss: any lower loss is the best, but only one that is lower by more
 * than the threshold starts the patience anew.
 */
export class Selection {
  readonly options: SelectionOptions;
  #state: SelectionState | undefined;

  constructor(options: SelectionOptions) {
    this.options = options;
  }

  /** Undefined before the first validation. */
  get state(): SelectionState | undefined {
    return this.#state;
  }

  /** The step whose checkpoint must stay. */
  get protectedStep(): number | undefined {
    return this.options.keepBest ? this.#state?.bestStep : undefined;
  }

  /** Whether the patience is used up. */
  get stopped(): boolean {
    const { patience } = this.options;
    return patience !== undefined && (this.#state?.sinceBest ?? 0) >= patience;
  }

  /**
   * Looks at the validation loss of a step; one that was looked at before changes nothing.
   *
   * @returns whether it is the lowest so far
   */
  observe(loss: number, step: number): boolean {
    const before = this.#state;
    if (before !== undefined && step <= before.validatedStep) return false;
    if (before === undefined) {
      this.#state = { bestLoss: loss, bestStep: step, sinceBest: 0, validatedStep: step };
      return true;
    }
    const isBest = loss < before.bestLoss;
    const improves = isBest && before.bestLoss - loss > this.options.threshold;
    this.#state = {
      bestLoss: isBest ? loss : before.bestLoss,
      bestStep: isBest ? step : before.bestStep,
      sinceBest: improves ? 0 : before.sinceBest + 1,
      validatedStep: step,
    };
    return isBest;
  }

  restore(state: SelectionState | undefined): void {
    this.#state = state;
  }
}
