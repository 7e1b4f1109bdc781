import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { type ErrorRecord, LlmkitError, restoreError } from '../../core/errors.ts';
import { INTERRUPTED, Pulse } from './pulse.ts';
import { TaskRunner } from './run-task.ts';
import type { StageName, Work } from './work.ts';

/** What a thread is given at its start, what it is sent, and what it says. */
export interface ThreadData {
  dir: string;
  key: string;
  /** [1], not 0 once the run is to stop. */
  stop: Int32Array;
}
export type ToThread = { stage: StageName; index: number };
export type FromThread =
  | { type: 'progress'; done: number }
  | { type: 'done' }
  | { type: 'failed'; error: ErrorRecord & { errors?: ErrorRecord[] } };

const ENTRY = new URL('./thread.js', import.meta.url);

/**
 * Runs tasks, several at a time. With one thread they run on the caller's; so they do from TypeScript sources (tests),
 * where there is no built file a thread could start from.
 */
export class Pool {
  readonly #work: Work;
  readonly #signal: AbortSignal;
  readonly #threads: number;
  readonly #stop = new Int32Array(new SharedArrayBuffer(4));
  readonly #workers: Worker[] = [];
  readonly #inline: TaskRunner;

  constructor(work: Work, threads: number, signal: AbortSignal) {
    this.#work = work;
    this.#signal = signal;
    this.#threads = existsSync(fileURLToPath(ENTRY)) ? threads : 1;
    this.#inline = new TaskRunner(work);
    signal.addEventListener('abort', () => Atomics.store(this.#stop, 0, 1), { once: true });
  }

  /**
   * Runs those of `count` tasks that are not done.
   *
   * @param onProgress units done since the last call.
   * @throws the first error of a task, once no other runs; LlmkitError('interrupted') when the signal aborts.
   */
  async run(stage: StageName, count: number, onProgress: (done: number) => void): Promise<void> {
    const waiting: number[] = [];
    for (let index = 0; index < count; index++) {
      if (this.#work.result(stage, index) === undefined) waiting.push(index);
    }
    const lanes = Math.min(this.#threads, waiting.length);
    let failure: { index: number; error: unknown } | undefined;
    const lane = async (worker: Worker | undefined) => {
      for (let index = waiting.shift(); index !== undefined; index = waiting.shift()) {
        try {
          if (this.#signal.aborted) throw new LlmkitError('interrupted', INTERRUPTED);
          await (worker === undefined
            ? this.#runInline(stage, index, onProgress)
            : this.#runIn(worker, stage, index, onProgress));
        } catch (error) {
          // Of several failures the one of the first task is told, whichever thread came first.
          if (failure === undefined || index < failure.index) failure = { index, error };
          waiting.length = 0;
        }
      }
    };
    const workers = lanes > 1 ? Array.from({ length: lanes }, (_, i) => this.#worker(i)) : [undefined];
    await Promise.all(workers.map(lane));
    if (failure !== undefined) throw failure.error;
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
    this.#workers.length = 0;
  }

  #worker(i: number): Worker {
    const workerData: ThreadData = { dir: this.#work.dir, key: this.#work.key, stop: this.#stop };
    this.#workers[i] ??= new Worker(ENTRY, { workerData });
    return this.#workers[i];
  }

  async #runInline(stage: StageName, index: number, onProgress: (done: number) => void): Promise<void> {
    const pulse = new Pulse({ progress: onProgress, stopped: () => this.#signal.aborted });
    await this.#inline.run(stage, index, pulse);
    pulse.flush();
  }

  #runIn(worker: Worker, stage: StageName, index: number, onProgress: (done: number) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (then: () => void) => {
        worker.off('message', onMessage).off('error', onError).off('exit', onExit);
        then();
      };
      const onMessage = (message: FromThread) => {
        if (message.type === 'progress') onProgress(message.done);
        else if (message.type === 'done') settle(resolve);
        else settle(() => reject(restoreError(message.error)));
      };
      const onError = (error: unknown) => settle(() => reject(error));
      const onExit = (code: number) =>
        settle(() => reject(new LlmkitError('bug', `a thread of prepare ended with code ${code}`, { where: stage })));
      worker.on('message', onMessage).on('error', onError).on('exit', onExit);
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      worker.postMessage({ stage, index } satisfies ToThread);
    });
  }
}
