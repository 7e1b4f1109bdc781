import { LlmkitError } from '../core/errors.ts';

/** What a step that must not be taken was like. */
export interface DivergenceRecord {
  /** 1 is the first. */
  step: number;
  loss: number;
  gradNorm: number;
  learningRate: number;
  /** The trained weight whose gradient is the first that is not finite on the way back; undefined where all are finite. */
  firstNonFinite: string | undefined;
  /** Mean loss of each row of the step by itself, without dropout; undefined for a row without targets. */
  rowLosses: (number | undefined)[];
}

/** A step that was not taken: its loss or gradient is not finite, or its loss jumped. The weights are as they were. */
export class Divergence extends LlmkitError {
  readonly record: DivergenceRecord;

  constructor(record: DivergenceRecord) {
    const { step, loss, gradNorm, learningRate } = record;
    super('data', `training diverged at step ${step}: loss ${shown(loss)}, gradient norm ${shown(gradNorm)}`, {
      ...(record.firstNonFinite === undefined ? {} : { where: `gradient of ${record.firstNonFinite}` }),
      hint: `lower learning_rate (it was ${learningRate.toPrecision(3)} at this step) and start again; a resumed run would diverge again`,
    });
    this.record = record;
  }

  /** The same for a person who knows rows by their index in the data, with the last good checkpoint. */
  withRows(rows: readonly number[], lastGood: string | undefined): LlmkitError {
    const { where, message, hint } = this;
    return new LlmkitError('data', message, {
      where: `${where === undefined ? '' : `${where}; `}batch rows ${rows.join(', ')}`,
      expected: 'a finite loss that does not jump',
      got: this.#suspects(rows),
      hint: `${hint}; ${lastGood === undefined ? 'no checkpoint was saved before' : `the last good checkpoint is ${lastGood}`}`,
      cause: this,
    });
  }

  #suspects(rows: readonly number[]): string {
    const { rowLosses } = this.record;
    const known = rows.flatMap((row, i) => {
      const loss = rowLosses[i];
      return loss === undefined ? [] : [{ row, loss }];
    });
    const broken = known.filter(({ loss }) => !Number.isFinite(loss));
    if (broken.length > 0 && broken.length < known.length) {
      const names = broken.map(({ row }) => row).join(', ');
      return `no finite loss of rows ${names}; the other ${known.length - broken.length} have one`;
    }
    if (broken.length > 0) return 'no row has a finite loss: the weights, not the data, are the likely reason';
    const highest = known.toSorted((a, b) => b.loss - a.loss).slice(0, 3);
    return `rows with the highest loss by themselves: ${highest.map(({ row, loss }) => `${row} (${loss.toFixed(2)})`).join(', ')}`;
  }
}

const shown = (value: number): string => (Number.isFinite(value) ? value.toPrecision(4) : String(value));
