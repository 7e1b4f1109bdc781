import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { ortApi, probeOrt } from '../../../src/engine/ort/index.ts';

// In a process of its own: once a model has run, the library stays in memory anyhow.
it('keeps the library loaded however often the collector runs', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const { version } = ortApi();
  for (let i = 0; i < 3; i++) {
    await setImmediate();
    collect();
    await setImmediate(); // finalizers run between turns
  }
  expect(probeOrt().version).toBe(version);
});
