import { describe, expect, it } from 'vitest';
import { buildInferenceGraph } from '../../src/decoder/inference.ts';
import { buildTrainingGraph } from '../../src/decoder/training.ts';
import type { DecoderSpec, MatrixName } from '../../src/model/spec.ts';
import { buildBlockGraph } from '../../src/quant/block-graph.ts';
import { openFixture } from '../support/decoder-fixture.ts';

const { spec } = openFixture('llama-gqa').checkpoint;
const shape = { batch: 1, length: 4, band: 4, blockSize: 4 };
const train = (changed: DecoderSpec): unknown =>
  buildTrainingGraph({ spec: changed, shape, targets: 2, matrixDType: 'f32', lora: undefined, produce: 'loss' });
const infer = (changed: DecoderSpec): unknown =>
  buildInferenceGraph(changed, { linear: { scheme: 'f32' }, head: { scheme: 'f32' } });
const calibrate = (changed: DecoderSpec): unknown =>
  buildBlockGraph(changed, { length: 4, band: 4 }, 'advance', 'native');

describe('what a spec may say and the decoder does not build is an error, never left out', () => {
  it.each([
    ['training', train],
    ['inference', infer],
    ['calibration', calibrate],
  ])('learned positions, in %s', (_name, build) => {
    expect(build(spec)).toBeDefined();
    const error = { kind: 'bug', where: 'llama: position', got: 'learned' };
    expect(() => build({ ...spec, position: { kind: 'learned' } })).toThrow(expect.objectContaining(error));
  });

  it.each([
    ['transposed', { transposed: true }],
    ['fused', { rows: { start: 0, end: 32 } }],
  ])('a matrix that is stored %s, in training', (_name, how: Partial<MatrixName>) => {
    const layer = (index: number) => {
      const names = spec.names.layer(index);
      return { ...names, linear: { ...names.linear, o_proj: { ...names.linear.o_proj!, ...how } } };
    };
    const error = { kind: 'bug', where: expect.stringContaining('self_attn.o_proj') };
    expect(() => train({ ...spec, names: { ...spec.names, layer } })).toThrow(expect.objectContaining(error));
  });
});
