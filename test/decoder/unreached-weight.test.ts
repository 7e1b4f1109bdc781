import { expect, it, vi } from 'vitest';
import { buildTrainingGraph } from '../../src/decoder/training.ts';
import { openFixture } from '../support/decoder-fixture.ts';

// No spec leaves a weight aside today; a family that does by mistake is played by a loss that depends on nothing.
vi.mock('../../src/graph/index.ts', async (original) => ({
  ...(await original<object>()),
  differentiate: (_loss: unknown, wrt: readonly unknown[]) => wrt.map(() => undefined),
}));

it('names a weight that is to be trained and that the loss does not reach', () => {
  const { spec } = openFixture('llama-gqa').checkpoint;
  const shape = { batch: 1, length: 4, band: 4, blockSize: 4 };
  const build = (): unknown =>
    buildTrainingGraph({ spec, shape, targets: 2, matrixDType: 'f32', lora: undefined, produce: 'gradients' });
  expect(build).toThrow(expect.objectContaining({ kind: 'bug', where: `${spec.names.embedding}.weight` }));
});
