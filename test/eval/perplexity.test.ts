import { describe, expect, it } from 'vitest';
import { ratioError } from '../../src/eval/metrics.ts';
import { scoreTargets, targetPerplexity, windowPerplexity } from '../../src/eval/perplexity.ts';
import { TableScorer } from './table-scorer.ts';

const scorer = new TableScorer(50, 16);

/** log p(t | p) of the table, one token at a time. */
async function logProb(previous: number, token: number): Promise<number> {
  return (await scorer.logProbs([previous, token], 1))[0]!;
}

describe('perplexity over targets', () => {
  it('counts targets only, each given everything before it', async () => {
    const ids = [3, 9, 27, 31, 44, 2];
    const score = await scoreTargets(scorer, { inputIds: ids, isTarget: [0, 0, 1, 0, 1, 0] });
    expect(score!.tokens).toBe(2);
    expect(score!.logProb).toBeCloseTo((await logProb(9, 27)) + (await logProb(31, 44)), 12);
    const other = await scoreTargets(scorer, { inputIds: ids, isTarget: [0, 1, 1, 1, 1, 1] });
    const [metric] = targetPerplexity([score!, other!]);
    expect(metric!.value).toBeCloseTo(Math.exp(-(score!.logProb + other!.logProb) / 7), 12);
    expect(metric!.paired).toMatchObject({ weights: [2, 5] });
  });

  it('knows documents apart by their tokens and by what is a target', async () => {
    const id = async (inputIds: number[], isTarget: number[]): Promise<string> =>
      (await scoreTargets(scorer, { inputIds, isTarget }))!.id;
    const first = await id([1, 2, 3], [0, 1, 1]);
    expect(await id([1, 2, 3], [0, 1, 1])).toBe(first);
    expect(await id([1, 2, 3], [0, 0, 1])).not.toBe(first);
    expect(await id([1, 3, 2], [0, 1, 1])).not.toBe(first);
  });

  it('passes over a document without targets', async () => {
    expect(await scoreTargets(scorer, { inputIds: [1, 2], isTarget: [1, 0] })).toBeUndefined();
    expect(await scoreTargets(scorer, { inputIds: [], isTarget: [] })).toBeUndefined();
  });
});

describe('perplexity in the GPTQ protocol', () => {
  const ids = Array.from({ length: 35 }, (_, i) => (i * 7) % 50);

  it('is exp of the mean over disjoint windows of the mean loss of their tokens but the first', async () => {
    const metric = await windowPerplexity(scorer, ids, 10);
    const losses: number[] = [];
    for (let start = 0; start + 10 <= 35; start += 10) {
      let sum = 0;
      for (let i = start + 1; i < start + 10; i++) sum -= await logProb(ids[i - 1]!, ids[i]!);
      losses.push(sum / 9);
    }
    expect(losses).toHaveLength(3);
    expect(metric.value).toBeCloseTo(Math.exp((losses[0]! + losses[1]! + losses[2]!) / 3), 12);
    expect(metric.label).toContain('3 disjoint windows of 10');
  });

  it('has windows no longer than the model reads, and one for a short text', async () => {
    expect((await windowPerplexity(scorer, ids, 2048)).label).toContain('2 disjoint windows of 16');
    expect((await windowPerplexity(scorer, ids.slice(0, 5), 2048)).label).toContain('1 disjoint windows of 5');
    await expect(windowPerplexity(scorer, [1], 2048)).rejects.toThrow(/too short/);
  });
});

describe('the standard error of a ratio', () => {
  it('is that of a mean where all weights are equal', () => {
    const values = [1, 4, 2, 8, 5];
    const mean = 4;
    const deviation = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / 4);
    expect(
      ratioError(
        values.map((v) => v * 3),
        [3, 3, 3, 3, 3],
      ),
    ).toBeCloseTo(deviation / Math.sqrt(5), 12);
    expect(ratioError([1], [1])).toBeUndefined();
  });
});
