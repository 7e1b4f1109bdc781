import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { LlmkitError } from '../core/errors.ts';
import { withAtomicDir, writeFileAtomic } from '../io/atomic.ts';
import { readJsonObject } from '../io/json-file.ts';
import { openSafetensors, writeSafetensors } from '../io/safetensors.ts';
import type { Trainer } from './trainer.ts';

/** What must be the same for a resumed run to be the run that was not interrupted; named, so that a difference can be told. */
export type Fingerprint = Record<string, string>;

interface CheckpointState {
  format: 1;
  step: number;
  fingerprint: Fingerprint;
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

  /** @param keep how many stay; the oldest go first */
  constructor(folder: string, keep: number, fingerprint: Fingerprint) {
    this.folder = folder;
    this.#keep = keep;
    this.#fingerprint = fingerprint;
  }

  /** Steps of this run that have a checkpoint, in order. */
  steps(): number[] {
    return stepsIn(this.folder).filter((step) => !this.#earlier.includes(step));
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
   * data and dropout follow from the step and the seed, so that this is all a resume needs.
   */
  async save(trainer: Trainer): Promise<string> {
    const path = this.#path(trainer.stepsDone);
    mkdirSync(this.folder, { recursive: true });
    try {
      await withAtomicDir(path, (folder) => this.#write(folder, trainer));
    } catch (error) {
      throw this.#withLast(error);
    }
    for (const old of this.#earlier) if (old !== trainer.stepsDone) rmSync(this.#path(old), { recursive: true });
    this.#earlier = [];
    for (const old of this.steps().slice(0, -this.#keep)) rmSync(this.#path(old), { recursive: true });
    return path;
  }

  /**
   * Puts the newest checkpoint into the trainer.
   *
   * @returns its step, or undefined when there is none
   * @throws LlmkitError('config') when it was made by another config, other data or another base, saying which;
   *   LlmkitError('data') when it is damaged
   */
  resume(trainer: Trainer): number | undefined {
    const step = this.steps().at(-1);
    if (step === undefined) return undefined;
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
    return step;
  }

  #write(folder: string, trainer: Trainer): void {
    const tensors = [...trainer.snapshot()].map(({ name, shape, values }) => ({
      name,
      dtype: 'F32' as const,
      shape: [...shape],
      data: () => {
        const { buffer, byteOffset, byteLength } = values();
        return new Uint8Array(buffer, byteOffset, byteLength);
      },
    }));
    writeSafetensors(join(folder, TENSORS), tensors);
    const state: CheckpointState = { format: 1, step: trainer.stepsDone, fingerprint: this.#fingerprint };
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
