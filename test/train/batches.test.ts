import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { StepPlan, bucket, groupByLength, makeMicroBatch, targetBucket } from '../../src/train/batches.ts';
import { readOracles } from './oracles.ts';

describe('micro-batches', () => {
  it('pads rows to a bucket, keeps documents apart and points at the token before each label', () => {
    const rows = [
      { inputIds: [5, 6, 7, 8], labels: [-100, 6, -100, 8], seqLengths: [2, 2] },
      { inputIds: [9, 1], labels: [9, 1], seqLengths: [2] },
    ];
    const batch = makeMicroBatch(rows, 3, 512);
    expect(batch.shape).toEqual({ batch: 3, length: 32, band: 2, targets: 12 });
    expect(Array.from(batch.inputIds.slice(0, 5))).toEqual([5, 6, 7, 8, 0]);
    expect(Array.from(batch.documentStarts.slice(0, 6))).toEqual([0, 0, 2, 2, 4, 5]);
    expect(Array.from(batch.documentStarts.slice(64, 67))).toEqual([0, 1, 2]);
    // The label of a row's first token has no position to be predicted from.
    expect(Array.from(batch.targetPositions.slice(0, 3))).toEqual([0, 2, 32]);
    expect(Array.from(batch.targetIds.slice(0, 3))).toEqual([6, 8, 1]);
    expect(Array.from(batch.targetWeights.slice(0, 5))).toEqual([1, 1, 1, 0, 0]);
    expect([batch.tokens, batch.targets]).toEqual([6, 3]);
  });

  it('rounds sizes up to a few buckets', () => {
    expect([0, 4, 5, 8, 9, 16, 17, 24, 25, 32].map((n) => targetBucket(n, 32))).toEqual([
      4, 4, 8, 8, 16, 16, 24, 24, 32, 32,
    ]);
    expect([1, 32, 33, 48, 49, 65, 97, 512, 513].map(bucket)).toEqual([32, 32, 48, 48, 64, 96, 128, 512, 768]);
  });
});

describe('the order of the data', () => {
  const plan = (): StepPlan => new StepPlan({ numRows: 10, seed: 3, batch: 2, accumulation: 2 });

  it('takes every row once an epoch, in another order each epoch', () => {
    const steps = plan();
    expect(steps.stepsPerEpoch).toBe(3);
    const epoch = (n: number): number[] =>
      [0, 1, 2].flatMap((i) => steps.rowsOf(3 * n + i).flatMap((rows) => [...rows]));
    expect([...epoch(0)].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(epoch(1)).not.toEqual(epoch(0));
    expect(steps.rowsOf(2).map((rows) => rows.length)).toEqual([2]);
  });

  it('depends on the seed and the step only, whatever was asked before', () => {
    const [one, other] = [plan(), plan()];
    for (let i = 0; i < 5; i++) one.rowsOf(i);
    expect(one.rowsOf(4)).toEqual(other.rowsOf(4));
  });
});

describe('rows grouped by length', () => {
  it.each(readOracles().length_groups)(
    "come in the order of transformers' LengthGroupedSampler, $group at a time",
    ({ lengths, order, group, grouped }) => {
      expect([...groupByLength(Int32Array.from(order), lengths, group)]).toEqual(grouped);
    },
  );

  it('need few graphs, and far less padding than rows as they come', () => {
    const random = new Random(1);
    // As conversations are: most of a few hundred tokens, some of two thousand, a part of them answers.
    const rows = Array.from({ length: 2000 }, () => {
      const length = Math.round(Math.min(2048, Math.max(16, Math.exp(5.5 + 0.9 * random.normal()))));
      const inputIds = new Int32Array(length);
      const labels = new Int32Array(length).fill(-100, 0, Math.floor(length * (0.2 + 0.5 * random.float())));
      return { inputIds, labels, seqLengths: [length] };
    });
    const measure = (lengths: number[] | undefined): { shapes: number; padding: number } => {
      const plan = new StepPlan({ numRows: rows.length, seed: 1, batch: 4, accumulation: 1, lengths });
      const shapes = new Set<string>();
      let [tokens, positions] = [0, 0];
      for (let step = 0; step < plan.stepsPerEpoch; step++) {
        const batch = makeMicroBatch(
          Array.from(plan.rowsOf(step)[0]!, (i) => rows[i]!),
          4,
          2048,
        );
        shapes.add(JSON.stringify(batch.shape));
        tokens += batch.tokens;
        positions += batch.inputIds.length;
      }
      return { shapes: shapes.size, padding: 1 - tokens / positions };
    };
    const [grouped, asTheyCome] = [measure(rows.map(({ inputIds }) => inputIds.length)), measure(undefined)];
    expect(grouped.shapes).toBeLessThanOrEqual(32);
    expect(grouped.padding).toBeLessThan(0.22);
    expect(asTheyCome.padding).toBeGreaterThan(0.5);
  });

  it('are all there in every epoch, in another order each', () => {
    const lengths = Array.from({ length: 40 }, (_, i) => 10 + ((i * 7) % 23));
    const plan = new StepPlan({ numRows: 40, seed: 3, batch: 2, accumulation: 2, lengths });
    const epoch = (n: number): number[] =>
      Array.from({ length: 10 }, (_, i) => plan.rowsOf(10 * n + i).flatMap((rows) => [...rows])).flat();
    expect(epoch(0).toSorted((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
    expect(epoch(1)).not.toEqual(epoch(0));
    expect(lengths[epoch(0)[0]!]).toBe(Math.max(...lengths));
  });
});
