import { LlmkitError } from '../../core/errors.ts';
import type { OnnxGraph } from '../../io/onnx-graph.ts';
import { encodeOnnxModel } from '../../io/onnx.ts';
import { ortApi } from './api.ts';
import { createSession, type SessionOptions } from './session.ts';
import { ortTensor } from './value.ts';

/** What ONNX Runtime can do on this machine, found by running it. */
export interface OrtProbe {
  /** e.g. `1.30.0`. */
  version: string;
  libraryPath: string;
  /** u8 x s8 products are exact on the fast path; when false, sessions need `x64QuantPrecision`. */
  int8Exact: boolean;
  /** The probe's wall time, loading included. */
  ms: number;
}

/**
 * Loads ONNX Runtime and runs a small int8 matrix product whose sums overflow 16 bits where the CPU adds pairs of
 * u8 x s8 products with saturation (AVX2 and AVX-512 without VNNI).
 *
 * @throws LlmkitError('environment') when the library is absent, does not load, or computes a wrong result even with
 *   exact products asked for.
 */
export function probeOrt(): OrtProbe {
  const begin = performance.now();
  const { version, libraryPath } = ortApi();
  const model = encodeOnnxModel(INT8_PRODUCT);
  const int8Exact = productIsExact(model, {});
  if (!int8Exact && !productIsExact(model, { x64QuantPrecision: true })) {
    throw new LlmkitError('environment', `ONNX Runtime ${version} computes a wrong int8 product on this machine`, {
      where: libraryPath,
      hint: 'use the fp32 model (quantize keeps it), and report the CPU model',
    });
  }
  return { version, libraryPath, int8Exact, ms: performance.now() - begin };
}

const ROWS = 2;
const INNER = 64;
const COLUMNS = 32;

/** y = (a - 128) b, a u8 [rows, inner], b a constant s8 [inner, columns] of alternating 127 and -127 a column. */
const INT8_PRODUCT: OnnxGraph = {
  nodes: [{ name: 'product', op: 'MatMulInteger', inputs: ['a', 'b', 'zero'], outputs: ['y'], attrs: {} }],
  inputs: [{ name: 'a', dtype: 'u8', dims: ['rows', INNER] }],
  outputs: [{ name: 'y', dtype: 'i32', dims: ['rows', COLUMNS] }],
  initializers: [
    { name: 'b', dtype: 'i8', dims: [INNER, COLUMNS], data: weights() },
    { name: 'zero', dtype: 'u8', dims: [], data: Uint8Array.of(128) },
  ],
};

function weights(): Int8Array {
  return Int8Array.from({ length: INNER * COLUMNS }, (_, i) => (i % 2 === 0 ? 127 : -127));
}

/** Every activation is 255 (127 above the zero point), so each sum is plus or minus 64 x 127 x 127. */
function productIsExact(model: Uint8Array, options: SessionOptions): boolean {
  const session = createSession(model, { ...options, threads: 1 });
  try {
    const a = ortTensor(new Uint8Array(ROWS * INNER).fill(255), [ROWS, INNER]);
    const { y } = session.run({ a }, ['y']);
    a.dispose();
    return y !== undefined && (y.data as Int32Array).every((sum, i) => sum === (i % 2 === 0 ? 1 : -1) * 127 * 127 * 64);
  } finally {
    session.dispose();
  }
}
