import type { CommandContext } from '../core/events.ts';
import { chooseEngine } from '../engine/tf/index.ts';
import type { RunEstimate } from './estimate-run.ts';
import { estimateTime } from './estimate-time.ts';
import type { TimeEstimate } from './estimate-time.ts';
import { choosePrecision } from './precision.ts';
import { checkLengths, estimateOn } from './run.ts';
import type { TrainingRunOptions } from './run.ts';

export interface TrainingPlan extends RunEstimate {
  engine: string;
  time: TimeEstimate;
}

/** What a run will take, told by its own graphs and a probe of a few seconds. Nothing is trained and nothing written. */
export async function planTraining(options: TrainingRunOptions, context: CommandContext): Promise<TrainingPlan> {
  checkLengths(options);
  const { precision } = options.config;
  const engine = await chooseEngine({
    engine: options.engine,
    bf16: precision !== 'fp32',
    ...(options.threads === undefined ? {} : { threads: options.threads }),
  });
  try {
    context.emit({ type: 'note', message: `engine: ${engine.description}; ${engine.reason}` });
    const estimate = estimateOn(engine, choosePrecision(precision, engine), options, context);
    return { ...estimate, engine: engine.description, time: estimateTime(engine, options, estimate) };
  } finally {
    engine.dispose();
  }
}
