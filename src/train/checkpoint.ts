import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { LlmkitError } from '../core/errors.ts';
import { recoverDir, withAtomicDir, writeFileAtomic } from '../io/atomic.ts';
import { readJsonObject } from '../io/json-file.ts';
import { openSafetensors, writeSafetensors } from '../io/safetensors.ts';
import type { Selection, SelectionState } from './selection.ts';
import type { Trainer } from './trainer.ts';

/** What must be the same for a resumed run to be the run that was not interrupted; named, so that a difference can be told. */
export type Fingerprint = Record<string, string>;

export interface CheckpointState {
  format: 1;
  step: number;
  fingerprint: Fingerprint;
  /** What the run knew of its validations, where it selects by them. */
  selection?: SelectionState;
}

const STATE = 'trainer.json';
const TENSORS = 'state.safetensors';

/** The folder of a run's checkpoints: `step-00000120/` and so on, each whole or absent. */
export class CheckpointStore {
  readonly folder: string;
  readonly #keep: number;
  readonly #fingerprint: Fingerprint;
  /** Steps of an earlier run, which go once this one has a checkpoint of its own. */
  #earlier: readonly number[] = [];

  /** @param keep how many stay; the oldest go first, and neither the newest nor the best ever does */
  constructor(folder: string, keep: number, fingerprint: Fingerprint) {
    this.folder = folder;
    this.#keep = keep;
    this.#fingerprint = fingerprint;
  }

  /** Steps of this run that have a checkpoint, in order. */
  steps(): number[] {
    return stepsIn(this.folder).filter((step) => !this.#earlier.includes(step));
  }

  /** The folder of this run's newest checkpoint. */
  newest(): string | undefined {
    const step = this.steps().at(-1);
    return step === undefined ? undefined : this.#path(step);
  }

  /**
   * Begins a run of its own: the checkpoints that are there stay until it has saved one.
   *
   * @returns the last step of the earlier run; undefined when there was none
   */
  supersede(): number | undefined {
    this.#earlier = stepsIn(this.folder);
    return this.#earlier.at(-1);
  }

  /**
   * Writes the trained weights, the optimizer's moments and the number of steps done. The learning rate, the order of the
   * data and dropout follow from the step and the seed, so that this, and what was seen of validations, is all a resume
   * needs. Killed at any point, it leaves the checkpoints that were there, with this one or without. Older ones stay until
   * `rotate`.
   *
   * @throws LlmkitError('data') when a trained weight is not finite; nothing is written then
   */
  async save(trainer: Trainer, selection?: Selection): Promise<string> {
    const path = this.#path(trainer.stepsDone);
    mkdirSync(this.folder, { recursive: true });
    await clearLeftovers(this.folder);
    try {
      await withAtomicDir(path, (folder) => this.#write(folder, trainer, selection?.state));
    } catch (error) {
      throw this.#withLast(error);
    }
    this.#remove(this.#earlier.filter((old) => old !== trainer.stepsDone));
    this.#earlier = [];
    return path;
  }

  /** Oldest first until `keep` are left, but neither the newest nor the best: transformers' save_total_limit. */
  rotate(selection?: Selection): void {
    const steps = this.steps();
    const kept = new Set([steps.at(-1), selection?.protectedStep]);
    const removable = steps.filter((step) => !kept.has(step));
    const excess = steps.length - Math.max(this.#keep, steps.length - removable.length);
    this.#remove(removable.slice(0, Math.max(0, excess)));
  }

  /** Removes the checkpoint of a step that turned out to be no good. */
  discard(step: number): void {
    if (this.steps().includes(step)) this.#remove([step]);
  }

  /**
   * Puts the newest checkpoint into the trainer, and what it knew of validations into the selection.
   *
   * @returns its step, or undefined when there is none
   * @throws LlmkitError('config') when it was made by another config, other data or another base, saying which;
   *   LlmkitError('data') when it is damaged
   */
  resume(trainer: Trainer, selection?: Selection): number | undefined {
    const step = this.steps().at(-1);
    if (step === undefined) return undefined;
    const state = this.load(trainer, step);
    selection?.restore(state.selection);
    return step;
  }

  /** Puts one checkpoint into the trainer; throws as `resume` does. */
  load(trainer: Trainer, step: number): CheckpointState {
    const folder = this.#path(step);
    const state = readState(folder);
    for (const [what, value] of Object.entries(this.#fingerprint)) {
      const was = state.fingerprint[what];
      if (was === value) continue;
      throw new LlmkitError(
        'config',
        `the checkpoint was made with another ${what}: resuming would not be the same run`,
        {
          where: folder,
          expected: was ?? 'nothing',
          got: value,
          hint: 'undo the change, or start again without --resume (that replaces the checkpoints)',
        },
      );
    }
    const file = openSafetensors(join(folder, TENSORS));
    try {
      trainer.restore(state.step, (name) => file.readF32(name));
    } finally {
      file.close();
    }
    return state;
  }

  /** Out of sight by renames, then gone: killed in between, no half of a checkpoint bears its name. */
  #remove(steps: readonly number[]): void {
    const hidden = steps.map((step) => join(this.folder, REMOVED + String(step)));
    steps.forEach((step, i) => {
      rmSync(hidden[i]!, { recursive: true, force: true });
      renameSync(this.#path(step), hidden[i]!);
    });
    for (const path of hidden) rmSync(path, { recursive: true, force: true });
  }

  #write(folder: string, trainer: Trainer, selection: SelectionState | undefined): void {
    const tensors = [...trainer.snapshot()].map(({ name, shape, values }) => ({
      name,
      dtype: 'F32' as const,
      shape: [...shape],
      data: () => {
        const data = values();
        checkFinite(data, name, trainer.stepsDone);
        return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      },
    }));
    writeSafetensors(join(folder, TENSORS), tensors);
    const state: CheckpointState = {
      format: 1,
      step: trainer.stepsDone,
      fingerprint: this.#fingerprint,
      ...(selection === undefined ? {} : { selection }),
    };
    writeFileAtomic(join(folder, STATE), `${JSON.stringify(state, null, 2)}\n`);
  }

  /** A checkpoint that could not be written ends the run; the one before it is what a person wants to hear of. */
  #withLast(error: unknown): unknown {
    const last = this.steps().at(-1);
    if (!(error instanceof LlmkitError) || last === undefined) return error;
    const { kind, message, stack: _stack, ...details } = error.toJSON();
    const resume = `--resume goes on after step ${last}`;
    const hint = details.hint === undefined ? resume : `${details.hint}; ${resume}`;
    return new LlmkitError(kind, message, { ...details, hint, cause: error });
  }

  #path(step: number): string {
    return pathOf(this.folder, step);
  }
}

/** What the newest checkpoint of a folder was made with; undefined when there is none. */
export function recordedFingerprint(folder: string): Fingerprint | undefined {
  const step = stepsIn(folder).at(-1);
  return step === undefined ? undefined : readState(pathOf(folder, step)).fingerprint;
}

/** A checkpoint that is being removed. */
const REMOVED = '.removed-step-';

/** What killed processes left half written or half removed in a folder of checkpoints. */
async function clearLeftovers(folder: string): Promise<void> {
  for (const entry of readdirSync(folder)) {
    if (entry.startsWith(REMOVED)) rmSync(join(folder, entry), { recursive: true, force: true });
    const step = /^\.(step-\d{8})\.(?:tmp|old)-/.exec(entry)?.[1];
    if (step !== undefined) await recoverDir(join(folder, step));
  }
}

function checkFinite(values: Float32Array, name: string, step: number): void {
  let sum = 0;
  // 0 for what is finite, NaN for what is not.
  for (let i = 0; i < values.length; i++) sum += values[i]! * 0;
  if (sum === 0) return;
  throw new LlmkitError('data', `training diverged at step ${step}: a value to be saved is not finite`, {
    where: name,
    hint: 'lower learning_rate and start again',
  });
}

function stepsIn(folder: string): number[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).flatMap((name) => /^step-(\d{8})$/.exec(name)?.[1] ?? []);
  return names.map(Number).sort((a, b) => a - b);
}

const pathOf = (folder: string, step: number): string => join(folder, `step-${String(step).padStart(8, '0')}`);

function readState(folder: string): CheckpointState {
  const path = join(folder, STATE);
  const state = readJsonObject(path) as Partial<CheckpointState>;
  const { format, step, fingerprint } = state;
  if (format === 1 && Number.isSafeInteger(step) && typeof fingerprint === 'object') return state as CheckpointState;
  throw new LlmkitError('data', 'this is no checkpoint of a training run', {
    where: path,
    expected: 'format 1, a step and a fingerprint',
    hint: 'remove this folder to resume from the checkpoint before it, or start again without --resume',
  });
}
