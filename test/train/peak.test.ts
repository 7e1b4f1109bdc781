import { describe, expect, it } from 'vitest';
import { runNode } from '../cli/spawn.ts';
import { engines } from '../support/engines.ts';

interface Peak {
  beforeBytes: number;
  peakBytes: number;
  losses: number[];
}

async function peak(memory: 'none' | 'layer'): Promise<Peak> {
  const ran = await runNode('test/train/fixtures/peak.mjs', [memory]);
  expect(ran.code, ran.stderr).toBe(0);
  return JSON.parse(ran.stdout) as Peak;
}

describe.runIf(engines.includes('native'))('memory: layer', () => {
  it(
    'takes the steps of memory: none in less than half of the memory that they add',
    { timeout: 120_000 },
    async () => {
      const [none, layer] = [await peak('none'), await peak('layer')];
      layer.losses.forEach((loss, i) => expect(loss).toBeCloseTo(none.losses[i]!, 4));
      const added = ({ beforeBytes, peakBytes }: Peak): number => peakBytes - beforeBytes;
      expect(added(layer)).toBeLessThan(added(none) / 2);
    },
  );
});
