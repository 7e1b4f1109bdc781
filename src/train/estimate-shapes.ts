import { bucket, makeMicroBatch } from './batches.ts';
import type { BatchShape, RowSource, StepPlan } from './batches.ts';

export interface ShapeCount {
  shape: BatchShape;
  /** Micro-batches of the whole run. */
  count: number;
  /** Rows that make one. */
  rows: ArrayLike<number>;
}

/** The micro-batches of a run, by the sizes that their graphs are built for. */
export interface DataEstimate {
  /** Most frequent first. */
  shapes: ShapeCount[];
  totalSteps: number;
  stepsPerEpoch: number;
  /** In the whole run: tokens that are not padding, and those of them that carry a loss. */
  tokens: number;
  targets: number;
  /** True where only some of the steps were looked at; the shapes then hold the largest that the data could make. */
  sampled: boolean;
}

/** Steps whose rows are read: enough for every size that turns up, few enough for a second. */
const SAMPLED_STEPS = 1000;

/** Looks at the batches of the first epoch, all of them or as many as say enough, and counts for the whole run. */
export function estimateData(
  plan: Pick<StepPlan, 'rowsOf' | 'stepsPerEpoch'>,
  totalSteps: number,
  train: RowSource & { maxLength: number },
  batch: number,
  sampledSteps = SAMPLED_STEPS,
): DataEstimate {
  const steps = Math.min(plan.stepsPerEpoch, totalSteps);
  const looked = Math.min(steps, sampledSteps);
  const counts = new Map<string, ShapeCount>();
  let tokens = 0;
  let targets = 0;
  const note = (shape: BatchShape, count: number, rows: ArrayLike<number>): void => {
    const key = `${shape.batch} ${shape.length} ${shape.band} ${shape.targets}`;
    const known = counts.get(key) ?? { shape, count: 0, rows };
    known.count += count;
    counts.set(key, known);
  };
  for (let i = 0; i < looked; i++) {
    for (const indices of plan.rowsOf(Math.floor((i * steps) / looked))) {
      const rows = Array.from(indices, (index) => train.row(index));
      const micro = makeMicroBatch(rows, batch, train.maxLength);
      note(micro.shape, 1, indices);
      tokens += micro.tokens;
      targets += micro.targets;
    }
  }
  const sampled = looked < steps;
  if (sampled) note(largestShape(batch, train.maxLength), 0, []);
  const factor = totalSteps / looked;
  const shapes = [...counts.values()]
    .map((entry) => ({ ...entry, count: entry.count * factor }))
    .sort((a, b) => b.count - a.count);
  return {
    shapes,
    totalSteps,
    stepsPerEpoch: plan.stepsPerEpoch,
    tokens: Math.round(tokens * factor),
    targets: Math.round(targets * factor),
    sampled,
  };
}

/** Full rows of one document each, every token a target. */
function largestShape(batch: number, maxLength: number): BatchShape {
  const length = Math.min(bucket(maxLength), maxLength);
  return { batch, length, band: length, targets: batch * length };
}

/** The shapes that no other is at least as large as, in every size: one of them makes the peak. */
export function largestShapes(shapes: readonly BatchShape[]): BatchShape[] {
  const covers = (a: BatchShape, b: BatchShape): boolean =>
    a.batch >= b.batch && a.length >= b.length && a.band >= b.band && a.targets >= b.targets;
  return shapes.filter((shape) => !shapes.some((other) => other !== shape && covers(other, shape)));
}
