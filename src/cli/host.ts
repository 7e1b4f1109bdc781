import { Worker } from 'node:worker_threads';
import type { LlmkitEvent } from '../core/events.ts';
import { failureOf, type Failure } from './failures.ts';
import type { FromWorker, Job, Outcome, ToWorker } from './job.ts';
import { runJob } from './run-job.ts';
import type { Stopper } from './stopper.ts';

/** Lines that libraries print, kept for when something crashes. */
const keptLines = 20;

interface Listeners {
  event(event: LlmkitEvent): void;
  /** A line some library printed in the worker. */
  log(line: string): void;
}

/** Runs a job in a thread of its own. Never rejects: a crash of the thread is an outcome too. */
export async function runInWorker(job: Job, on: Listeners, stopper: Stopper): Promise<Outcome> {
  const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: job, stdout: true, stderr: true });
  const printed: string[] = [];
  for (const stream of [worker.stdout, worker.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      for (const line of text.split('\n').filter((part) => part.trim() !== '')) {
        printed.push(line);
        if (printed.length > keptLines) printed.shift();
        on.log(line);
      }
    });
  }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  stopper.onStop((signal) => worker.postMessage({ type: 'stop', signal } satisfies ToWorker));
  const outcome = await new Promise<Outcome>((resolve) => {
    worker.on('message', (message: FromWorker) => {
      if (message.type === 'event') on.event(message.event);
      else resolve(message.outcome);
    });
    worker.on('error', (error) => resolve({ ok: false, failure: failureOf(error) }));
    worker.on('messageerror', (error) => resolve({ ok: false, failure: failureOf(error) }));
    worker.on('exit', (code) =>
      resolve({
        ok: false,
        failure: { kind: 'bug', message: `the command's thread ended with code ${code} and no result` },
      }),
    );
  });
  await worker.terminate();
  return outcome.ok ? outcome : { ok: false, failure: withLog(outcome.failure, printed) };
}

/** Runs a job of milliseconds on this thread. */
export async function runInline(job: Job, on: Listeners, stopper: Stopper): Promise<Outcome> {
  const controller = new AbortController();
  stopper.onStop((signal) => controller.abort(signal));
  return runJob(job, (event) => on.event(event), controller);
}

function withLog(failure: Failure, printed: string[]): Failure {
  if (failure.kind !== 'bug' || printed.length === 0) return failure;
  return { ...failure, stack: `${failure.stack ?? ''}\nlast lines printed:\n${printed.join('\n')}` };
}
