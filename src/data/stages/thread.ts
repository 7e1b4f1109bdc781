import { parentPort, workerData } from 'node:worker_threads';
import { LlmkitError } from '../../core/errors.ts';
import type { FromThread, ThreadData, ToThread } from './pool.ts';
import { Pulse } from './pulse.ts';
import { TaskRunner } from './run-task.ts';
import { Work } from './work.ts';

/** A thread of prepare: runs the tasks it is sent, one after another. */
const port = parentPort!;
const { dir, key, stop } = workerData as ThreadData;
const runner = new TaskRunner(new Work(dir, key));

function post(message: FromThread): void {
  port.postMessage(message);
}

port.on('message', (task: ToThread) => {
  const pulse = new Pulse({
    progress: (done) => post({ type: 'progress', done }),
    stopped: () => Atomics.load(stop, 0) !== 0,
  });
  runner.run(task.stage, task.index, pulse).then(
    () => {
      pulse.flush();
      post({ type: 'done' });
    },
    (error: unknown) => post({ type: 'failed', error: recordOf(error) }),
  );
});

function recordOf(error: unknown) {
  if (error instanceof LlmkitError) return error.toJSON();
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return new LlmkitError('bug', message, { cause: stack }).toJSON();
}
