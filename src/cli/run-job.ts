import { LoadedConfig } from '../config/loaded.ts';
import { LlmkitError } from '../core/errors.ts';
import type { LlmkitEvent } from '../core/events.ts';
import { failureOf } from './failures.ts';
import type { CommandModule, Job, Outcome } from './job.ts';

/** Imports the command and runs it. Never throws: what goes wrong is the outcome. */
export async function runJob(
  job: Job,
  emit: (event: LlmkitEvent) => void,
  controller: AbortController,
): Promise<Outcome> {
  try {
    const command = (await import(job.module)) as CommandModule;
    const options = job.config === undefined ? job.options : { ...job.options, config: new LoadedConfig(job.config) };
    const result = await command.run(options, { emit, signal: watchedSignal(controller, job.stop), cwd: job.cwd });
    return { ok: true, result };
  } catch (error) {
    // An AbortError is how Node's own functions answer the signal.
    if (controller.signal.aborted && error instanceof Error && error.name === 'AbortError') {
      return { ok: false, failure: failureOf(new LlmkitError('interrupted', 'stopped on request')) };
    }
    return { ok: false, failure: failureOf(error) };
  }
}

/**
 * The controller's signal, except that `aborted` looks at shared memory: a command that computes without ever
 * returning to its event loop gets no message, but still sees that it should stop.
 */
function watchedSignal(controller: AbortController, stop: SharedArrayBuffer): AbortSignal {
  const flag = new Int32Array(stop);
  const signal = controller.signal;
  const aborted = Object.getOwnPropertyDescriptor(AbortSignal.prototype, 'aborted')!.get!;
  Object.defineProperty(signal, 'aborted', {
    get: () => Atomics.load(flag, 0) !== 0 || (aborted.call(signal) as boolean),
  });
  return signal;
}
