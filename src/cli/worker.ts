import { parentPort, workerData } from 'node:worker_threads';
import { failureOf } from './failures.ts';
import type { FromWorker, Job, ToWorker } from './job.ts';
import { runJob } from './run-job.ts';

/** The thread a command runs in: native libraries block it, and the main thread goes on drawing and listening. */
const port = parentPort!;
const controller = new AbortController();

function post(message: FromWorker): void {
  port.postMessage(message);
}

port.on('message', (message: ToWorker) => controller.abort(message.signal));
process.on('uncaughtException', (error) => {
  post({ type: 'outcome', outcome: { ok: false, failure: failureOf(error) } });
});

post({
  type: 'outcome',
  outcome: await runJob(workerData as Job, (event) => post({ type: 'event', event }), controller),
});
