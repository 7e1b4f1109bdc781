import { expect, it } from 'vitest';
import { choosePrecision } from '../../src/train/precision.ts';

const able = { multipliesBf16: true, description: 'TensorFlow 2.21.0 (native, gpu)' };
const unable = { multipliesBf16: false, description: 'TensorFlow.js 4.22.0 (wasm)' };

it('goes by what the engine that was chosen multiplies', () => {
  expect(choosePrecision('auto', able)).toBe('bf16');
  expect(choosePrecision('bf16', able)).toBe('bf16');
  expect(choosePrecision('fp32', able)).toBe('fp32');
  expect(choosePrecision('auto', unable)).toBe('fp32');
  expect(() => choosePrecision('bf16', unable)).toThrow(
    expect.objectContaining({ kind: 'config', message: 'TensorFlow.js 4.22.0 (wasm) does not multiply bf16' }),
  );
});
