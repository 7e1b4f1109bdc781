import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LlmkitError } from '../core/errors.ts';
import { f32ToBf16, f32ToF16 } from '../core/half.ts';
import { openWeights } from '../io/safetensors.ts';
import type { TensorToWrite, WeightSource } from '../io/safetensors.ts';
import { loadModelConfig } from '../model/config.ts';
import type { DecoderSpec, LinearRole, RowRuns } from '../model/spec.ts';
import { linearRoles, matrixName, storedRow } from '../model/tensors.ts';
import { parseCompressedTensors } from './checkpoint-config.ts';
import type { QuantizationScheme, Scheme } from './checkpoint-config.ts';
import { checkGroups, roundToNearest } from './grid.ts';
import type { QuantizedMatrix } from './grid.ts';

/** int8: the head, and the embedding tied to it, are rounded per channel when the model is loaded. See docs/decisions/quantized-checkpoints.md. */
export type HeadPrecision = 'int8' | 'keep';

/** Key of safetensors' `__metadata__` that says how llmkit treats the head; other readers ignore it. */
export const HEAD_METADATA = 'llmkit.head';

/** What a scale may be stored as: the dtype of the checkpoint's own weights. */
export type ScaleDtype = 'F32' | 'F16' | 'BF16';

/**
 * The tensors that stand for one linear layer, named as compressed-tensors names them.
 *
 * @param module e.g. `model.layers.0.self_attn.q_proj`.
 */
export function matrixTensors(
  module: string,
  scheme: Scheme,
  matrix: QuantizedMatrix,
  scaleDtype: ScaleDtype,
): TensorToWrite[] {
  const { rows, columns, codes, scales } = matrix;
  const scale: TensorToWrite = {
    name: `${module}.weight_scale`,
    dtype: scaleDtype,
    shape: [rows, scales.length / rows],
    data: encodeFloats(scales, scaleDtype),
  };
  if (scheme === 'w8a8') {
    return [{ name: `${module}.weight`, dtype: 'I8', shape: [rows, columns], data: bytesOf(codes) }, scale];
  }
  return [
    { name: `${module}.weight_packed`, dtype: 'I32', shape: [rows, Math.ceil(columns / 4)], data: packCodes(matrix) },
    scale,
    {
      name: `${module}.weight_shape`,
      dtype: 'I64',
      shape: [2],
      data: bytesOf(BigInt64Array.of(BigInt(rows), BigInt(columns))),
    },
  ];
}

/** Codes plus 128 as bytes, four to a little-endian int32, each row filled up with zeros. */
export function packCodes({ rows, columns, codes }: QuantizedMatrix): Uint8Array {
  const stride = Math.ceil(columns / 4) * 4;
  const out = new Uint8Array(rows * stride);
  for (let r = 0; r < rows; r++) {
    for (let j = 0; j < columns; j++) out[r * stride + j] = codes[r * columns + j]! + 128;
  }
  return out;
}

function unpackCodes(packed: Uint8Array, rows: number, columns: number): Int8Array {
  const stride = Math.ceil(columns / 4) * 4;
  const codes = new Int8Array(rows * columns);
  for (let r = 0; r < rows; r++) {
    for (let j = 0; j < columns; j++) codes[r * columns + j] = packed[r * stride + j]! - 128;
  }
  return codes;
}

function encodeFloats(values: Float32Array, dtype: ScaleDtype): Uint8Array {
  return bytesOf(dtype === 'F32' ? values : dtype === 'BF16' ? f32ToBf16(values) : f32ToF16(values));
}

function bytesOf(array: Int8Array | Float32Array | Uint16Array | BigInt64Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** A quantized checkpoint, opened for inference: codes and scales by role, everything else by name. */
export interface QuantizedCheckpoint {
  spec: DecoderSpec;
  scheme: QuantizationScheme;
  headPrecision: HeadPrecision;
  /** Every tensor of the files: norms, biases and the embedding are read from here as in any checkpoint. */
  weights: WeightSource;
  /** Codes [out, in] and scales of one linear layer. Throws `data` when tensors are missing or do not fit. */
  linear(layer: number, role: LinearRole): QuantizedMatrix;
  /**
   * The head [vocab, hidden] rounded to int8 per channel, with the same scales at every load; undefined with `keep`.
   * Where the head is tied, its rows are the embedding's too: row * scale is what the model embeds.
   */
  head(): QuantizedMatrix | undefined;
  close(): void;
}

/** Whether the folder is a checkpoint whose config.json says it is quantized. */
export function isQuantized(dir: string): boolean {
  const path = join(dir, 'config.json');
  if (!existsSync(path)) return false;
  return /"quantization_config"\s*:\s*\{/.test(readFileSync(path, 'utf8'));
}

/**
 * Opens a compressed-tensors checkpoint (`int-quantized` or `pack-quantized`, symmetric int8), llmkit's or another tool's.
 *
 * @throws LlmkitError `data` naming the file and the field or tensor for anything that is missing or not computed here.
 */
export function openQuantized(dir: string): QuantizedCheckpoint {
  const { spec, raw } = loadModelConfig(dir, { quantized: true });
  const scheme = parseCompressedTensors(raw['quantization_config'], join(dir, 'config.json'));
  const weights = openWeights(dir);
  const headPrecision = weights.metadata[HEAD_METADATA] === 'int8' ? 'int8' : 'keep';
  return {
    spec,
    scheme,
    headPrecision,
    weights,
    linear: (layer, role) =>
      takeRole(readMatrix(weights, dir, moduleOf(spec, layer, role), scheme), matrixName(spec, layer, role).rows),
    head: () => (headPrecision === 'int8' ? quantizeHead(weights, spec) : undefined),
    close: () => weights.close(),
  };
}

/**
 * Module path of the matrix that a role lies in, as the quantized checkpoint has it: [out, in].
 *
 * @throws LlmkitError('config') for GPT-2, whose matrices are no `Linear` and so outside of what compressed-tensors stores
 */
export function moduleOf(spec: DecoderSpec, layer: number, role: LinearRole): string {
  const { module, transposed } = matrixName(spec, layer, role);
  if (transposed !== true) return module;
  throw new LlmkitError(
    'config',
    `${spec.modelType} stores its matrices as [in, out], and quantized checkpoints cannot`,
    {
      where: `model_type ${spec.modelType}: ${module}`,
      expected: 'a family whose layers are Linear: llama, mistral, qwen2, qwen3, gpt_neox',
      got: 'Conv1D',
      hint: 'run it as it is: no quantized format that other tools read has such layers',
    },
  );
}

/** @throws LlmkitError('config') as {@link moduleOf} does, before any work is spent on the model */
export function checkQuantizable(spec: DecoderSpec): void {
  for (const role of linearRoles(spec)) moduleOf(spec, 0, role);
}

/** The rows of one role out of a fused matrix; the matrix itself where it is not fused. */
function takeRole(matrix: QuantizedMatrix, rows: RowRuns | undefined): QuantizedMatrix {
  if (rows === undefined) return matrix;
  const { columns, groupSize } = matrix;
  const count = rows.count * rows.size;
  const perRow = matrix.scales.length / matrix.rows;
  const codes = new Int8Array(count * columns);
  const scales = new Float32Array(count * perRow);
  for (let row = 0; row < count; row++) {
    const from = storedRow(rows, row);
    codes.set(matrix.codes.subarray(from * columns, (from + 1) * columns), row * columns);
    scales.set(matrix.scales.subarray(from * perRow, (from + 1) * perRow), row * perRow);
  }
  return { rows: count, columns, codes, scales, groupSize };
}

/** The head, or the embedding it is tied to, to its nearest int8 codes: one scale a vocabulary row. */
export function quantizeHead(weights: WeightSource, spec: DecoderSpec): QuantizedMatrix {
  const name = `${spec.names.head ?? spec.names.embedding}.weight`;
  return roundToNearest(weights.readF32(name), spec.vocabSize, spec.hiddenSize, {
    groupSize: undefined,
    scaleFormat: 'half',
    mse: false,
  });
}

function readMatrix(weights: WeightSource, dir: string, module: string, scheme: QuantizationScheme): QuantizedMatrix {
  const packedName = `${module}.weight_packed`;
  const packed = weights.tensors.has(packedName);
  const scales = weights.readF32(`${module}.weight_scale`);
  const info = weights.tensors.get(packed ? packedName : `${module}.weight`);
  if (info === undefined || info.dtype !== (packed ? 'I32' : 'I8') || info.shape.length !== 2) {
    throw damaged(
      dir,
      module,
      packed ? 'I32 [rows, columns / 4]' : 'I8 [rows, columns]',
      info === undefined ? 'nothing' : `${info.dtype} [${info.shape.join(', ')}]`,
    );
  }
  const bytes = weights.read(packed ? packedName : `${module}.weight`);
  let [rows, columns] = info.shape as [number, number];
  if (packed) {
    const shape = weights.read(`${module}.weight_shape`);
    const dims = new BigInt64Array(shape.buffer, shape.byteOffset, shape.byteLength / 8);
    columns = Number(dims[1]);
    if (dims.length !== 2 || Number(dims[0]) !== rows || Math.ceil(columns / 4) !== info.shape[1]) {
      throw damaged(dir, module, `weight_shape that fits [${info.shape.join(', ')}]`, `[${dims.join(', ')}]`);
    }
  }
  const groupSize = checkGroups(columns, scheme.groupSize, `${dir} ${module}`);
  if (scales.length !== (rows * columns) / groupSize) {
    throw damaged(dir, module, `${(rows * columns) / groupSize} scales`, `${scales.length}`);
  }
  const codes = packed
    ? unpackCodes(bytes, rows, columns)
    : new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { rows, columns, codes, scales, groupSize };
}

function damaged(dir: string, module: string, expected: string, got: string): LlmkitError {
  return new LlmkitError('data', `the tensors of ${module} do not fit together`, {
    where: `${dir} ${module}`,
    expected,
    got,
    hint: 'the checkpoint is damaged: quantize it again',
  });
}
