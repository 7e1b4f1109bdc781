import { describe, expect, it } from 'vitest';
import { Selection } from '../../src/train/selection.ts';
import { readOracles } from './oracles.ts';

const { stopping } = readOracles();

describe('early stopping', () => {
  it.each(stopping)('stops on $losses where transformers does (patience $patience, threshold $threshold)', (series) => {
    const selection = new Selection({ patience: series.patience, threshold: series.threshold, keepBest: true });
    let stopped: number | null = null;
    for (const [index, loss] of series.losses.entries()) {
      selection.observe(loss, index + 1);
      if (!selection.stopped) continue;
      stopped = index;
      break;
    }
    expect(stopped).toBe(series.stopped);
    expect(selection.protectedStep).toBe(series.best + 1);
  });

  it('looks at a step once, and goes on from its state as if it had not been away', () => {
    const one = new Selection({ patience: 2, threshold: 0, keepBest: false });
    expect(one.observe(2, 1)).toBe(true);
    expect(one.observe(3, 2)).toBe(false);
    expect(one.observe(3, 2)).toBe(false);
    expect(one.stopped).toBe(false);
    const other = new Selection({ patience: 2, threshold: 0, keepBest: false });
    other.restore(structuredClone(one.state));
    other.observe(2.5, 3);
    expect(other.stopped).toBe(true);
    expect(other.protectedStep, 'nobody asked for the best').toBeUndefined();
  });
});
