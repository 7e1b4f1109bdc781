import { readFileSync } from 'node:fs';
import { LlmkitError } from '../../core/errors.ts';
import { type Listener, Pulse } from './pulse.ts';
import { TaskRunner } from './run-task.ts';
import { KEY_FILE, type StageName, Work } from './work.ts';

/**
 * Runs one worker's part of a stage in a work folder that `prepare` has planned: of the tasks that are not done every
 * `world`-th, from `rank`. Workers share nothing but the folder, so they may be the array tasks of a scheduler. A stage may
 * begin when every task of the ones before it is done; `prepare` itself goes on from what it finds.
 *
 * @param rank from 0 to world - 1.
 * @returns tasks that this worker ran.
 */
export async function runRank(
  dir: string,
  stage: StageName,
  rank: number,
  world: number,
  listener: Listener,
): Promise<number> {
  if (!(Number.isInteger(rank) && rank >= 0 && rank < world)) {
    throw new LlmkitError('usage', 'the rank is not one of this world', {
      expected: `0 to ${world - 1}`,
      got: String(rank),
    });
  }
  const work = new Work(dir, readFileSync(`${dir}/${KEY_FILE}`, 'utf8'));
  const runner = new TaskRunner(work);
  const pulse = new Pulse(listener);
  let ran = 0;
  for (let index = rank; index < runner.count(stage); index += world) {
    if (work.result(stage, index) !== undefined) continue;
    await runner.run(stage, index, pulse);
    ran++;
  }
  pulse.flush();
  return ran;
}
