import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { TrainingConfig } from '../config/index.ts';
import type { Json } from '../core/events.ts';
import { hashJson } from '../core/json.ts';
import { writeFileAtomic } from '../io/atomic.ts';
import { readJsonObject } from '../io/json-file.ts';
import type { TrainingPlan } from './estimate-plan.ts';
import type { RunEstimate } from './estimate-run.ts';

const PLAN = 'plan.json';

/** Keeps what `llmkit plan` expects beside the reports, for the run's report to compare with. */
export function recordPlan(folder: string, config: TrainingConfig, plan: TrainingPlan): void {
  const { time, peak, data, engine, precision, memory } = plan;
  const record = {
    run: keyOf(config, plan),
    engine,
    precision,
    memory,
    seconds: time.seconds,
    peak_bytes: peak.peakBytes,
    steps: data.totalSteps,
    tokens: data.tokens,
  };
  writeFileAtomic(join(folder, PLAN), `${JSON.stringify(record, null, 2)}\n`);
}

/** The seconds that a plan of this very run expected; undefined without one. */
export function plannedTime(folder: string, config: TrainingConfig, estimate: RunEstimate): number | undefined {
  const path = join(folder, PLAN);
  if (!existsSync(path)) return undefined;
  const { run, seconds } = readJsonObject(path);
  return run === keyOf(config, estimate) && typeof seconds === 'number' ? seconds : undefined;
}

/** Settings, data and mode of a run, as far as its time depends on them. */
function keyOf(config: TrainingConfig, { precision, memory, data }: RunEstimate): string {
  const { totalSteps: steps, tokens } = data;
  return hashJson({ config: config as unknown as Json, precision, memory, steps, tokens });
}
