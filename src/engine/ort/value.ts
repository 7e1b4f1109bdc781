import { LlmkitError } from '../../core/errors.ts';
import { copyBytes, type Handle, type OrtApi, ortApi } from './api.ts';

export type OrtDType = 'f32' | 'f16' | 'i64' | 'i32' | 'u8' | 'i8' | 'bool';
export type OrtData = Float32Array | BigInt64Array | Int32Array | Uint8Array | Int8Array | Uint16Array;

/** A tensor whose memory belongs to JavaScript; ONNX Runtime reads and writes it in place. */
export interface OrtValue {
  readonly shape: readonly number[];
  readonly dtype: OrtDType;
  /** f16 as its bits. What a run wrote shows here at once. */
  readonly data: OrtData;
  dispose(): void;
}

/** ONNXTensorElementDataType and the typed array that holds each dtype. */
const DTYPES: Record<OrtDType, { code: number; make: (buffer: ArrayBuffer) => OrtData; bytes: number }> = {
  f32: { code: 1, make: (buffer) => new Float32Array(buffer), bytes: 4 },
  u8: { code: 2, make: (buffer) => new Uint8Array(buffer), bytes: 1 },
  i8: { code: 3, make: (buffer) => new Int8Array(buffer), bytes: 1 },
  i32: { code: 6, make: (buffer) => new Int32Array(buffer), bytes: 4 },
  i64: { code: 7, make: (buffer) => new BigInt64Array(buffer), bytes: 8 },
  bool: { code: 9, make: (buffer) => new Uint8Array(buffer), bytes: 1 },
  f16: { code: 10, make: (buffer) => new Uint16Array(buffer), bytes: 2 },
};

/** @throws LlmkitError('environment') for an element type no graph of ours uses. */
export function dtypeOfCode(code: number, where: string): OrtDType {
  for (const [dtype, { code: candidate }] of Object.entries(DTYPES)) if (candidate === code) return dtype as OrtDType;
  throw new LlmkitError('environment', `element type ${code} of ONNX is not supported`, { where });
}

export class OrtTensor implements OrtValue {
  readonly shape: readonly number[];
  readonly dtype: OrtDType;
  readonly data: OrtData;
  #handle: Handle | undefined;

  constructor(data: OrtData, shape: readonly number[], dtype: OrtDType) {
    this.data = data;
    this.shape = shape;
    this.dtype = dtype;
  }

  /** The OrtValue, made on first use. It points at `data` without owning it. */
  handle(api: OrtApi): Handle {
    if (this.#handle !== undefined) return this.#handle;
    // V8 keeps arrays under 64 bytes inside its moving heap until someone asks for their buffer.
    const buffer = this.data.buffer;
    if (buffer.byteLength === 0 && this.data.length > 0) throw new LlmkitError('bug', 'the tensor memory was detached');
    const dims = BigInt64Array.from(this.shape, BigInt);
    const { code } = DTYPES[this.dtype];
    this.#handle = api.get(
      'CreateTensorWithDataAsOrtValue',
      api.cpuMemory,
      this.data,
      this.data.byteLength,
      dims,
      dims.length,
      code,
    );
    return this.#handle;
  }

  dispose(): void {
    if (this.#handle !== undefined) ortApi().release('Value', this.#handle);
    this.#handle = undefined;
  }
}

/**
 * A tensor over `data`, without a copy. The memory lives as long as the value, or a binding that holds it.
 *
 * @param dtype needed only to tell bool from u8; otherwise it follows from the array (Uint16Array is f16).
 */
export function ortTensor(data: OrtData, shape: readonly number[], dtype: OrtDType = dtypeOf(data)): OrtValue {
  const length = shape.reduce((product, dim) => product * dim, 1);
  if (length !== data.length) {
    throw new LlmkitError('bug', 'a tensor needs as many elements as its shape says', {
      expected: `[${shape.join(', ')}] = ${length} elements`,
      got: `${data.length}`,
    });
  }
  return new OrtTensor(data, [...shape], dtype);
}

function dtypeOf(data: OrtData): OrtDType {
  if (data instanceof Float32Array) return 'f32';
  if (data instanceof BigInt64Array) return 'i64';
  if (data instanceof Int32Array) return 'i32';
  if (data instanceof Int8Array) return 'i8';
  return data instanceof Uint16Array ? 'f16' : 'u8';
}

/** Copies an OrtValue that ONNX Runtime allocated into JavaScript's memory; the caller releases `handle`. */
export function takeValue(api: OrtApi, handle: Handle, where: string): OrtValue {
  const info = api.get('GetTensorTypeAndShape', handle);
  try {
    const dtype = dtypeOfCode(api.getInt('GetTensorElementType', info), where);
    const shape = readDims(api, info);
    const byteLength = shape.reduce((product, dim) => product * dim, 1) * DTYPES[dtype].bytes;
    const address = api.get('GetTensorMutableData', handle);
    const buffer = byteLength === 0 ? new ArrayBuffer(0) : copyBytes(address, byteLength);
    return new OrtTensor(DTYPES[dtype].make(buffer), shape, dtype);
  } finally {
    api.release('TensorTypeAndShapeInfo', info);
  }
}

/** Dimensions of an OrtTensorTypeAndShapeInfo; -1 where symbolic. */
export function readDims(api: OrtApi, info: Handle): number[] {
  const dims = new BigInt64Array(Number(api.get('GetDimensionsCount', info)));
  if (dims.length > 0) api.call('GetDimensions', info, dims, dims.length);
  return Array.from(dims, Number);
}
