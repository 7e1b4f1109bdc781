import { LlmkitError } from '../core/errors.ts';
import { fusedRoles, matrixOf } from '../decoder/inference-names.ts';
import type { MatrixId } from '../decoder/inference-names.ts';
import type { MatrixScheme } from '../decoder/inference-weights.ts';
import { buildInferenceGraph } from '../decoder/inference.ts';
import { lowerToOnnx } from '../graph/index.ts';
import type { OnnxData, OnnxGraph } from '../graph/onnx-graph.ts';
import type { DecoderSpec, LinearRole } from '../model/spec.ts';
import { linearHasBias } from '../model/tensors.ts';

/** Signed codes [rows, columns] around 0 and f32 scales: one a row, or one a group of columns. */
export interface MatrixCodes {
  rows: number;
  columns: number;
  codes: Int8Array;
  /** [rows * columns / groupSize], or [rows] when `groupSize` is undefined. */
  scales: Float32Array;
  groupSize: number | undefined;
}

/** What the inference graph reads its weights from; each call may read from disk, and nothing is kept. */
export interface DecoderSource {
  spec: DecoderSpec;
  /** f32, by checkpoint name: norms, biases, and the embedding and head where they are not quantized. */
  tensor(name: string): Float32Array;
  /** A linear layer's weight, f32 [out, in]. */
  linear(layer: number, role: LinearRole): Float32Array;
  bias(layer: number, role: LinearRole): Float32Array;
  /** Absent: everything is f32. */
  quantized?: {
    scheme: 'w8a8' | 'w8a16';
    linear(layer: number, role: LinearRole): MatrixCodes;
    /** Undefined: the head stays f32. */
    head: (() => MatrixCodes) | undefined;
    /** Columns a scale of w8a16; the head's scales are repeated to fit it. */
    groupSize: number;
  };
}

/**
 * The decoder as an ONNX graph whose weights are made, one matrix at a time, when they are written: layers that read the
 * same input are stacked, codes are laid as their kernels want them.
 */
export function buildDecoderOnnx(source: DecoderSource): OnnxGraph {
  const { spec, quantized } = source;
  const scheme: MatrixScheme = quantized
    ? { scheme: quantized.scheme, groupSize: quantized.groupSize }
    : { scheme: 'f32' };
  const graph = buildInferenceGraph(spec, { linear: scheme, head: quantized?.head ? scheme : { scheme: 'f32' } });
  const makers = new Map<string, () => OnnxData>();
  for (let layer = 0; layer < spec.numLayers; layer++) {
    for (const roles of fusedRoles(spec)) addMatrix(makers, source, { kind: 'linear', layer, roles });
  }
  if (quantized?.head) addMatrix(makers, source, { kind: 'head' });
  return lowerToOnnx(graph, (name) => makers.get(name)?.() ?? source.tensor(name));
}

function addMatrix(makers: Map<string, () => OnnxData>, source: DecoderSource, id: MatrixId): void {
  const { spec, quantized } = source;
  const name = matrixOf(spec, id);
  if (id.kind === 'linear' && linearHasBias(spec, id.roles[0]!)) {
    makers.set(`${name}.bias`, () =>
      join(
        id.roles.map((role) => source.bias(id.layer, role)),
        Float32Array,
      ),
    );
  }
  if (!quantized) {
    if (id.kind === 'linear') {
      makers.set(`${name}.weight`, () =>
        join(
          id.roles.map((role) => source.linear(id.layer, role)),
          Float32Array,
        ),
      );
    }
    return;
  }
  const parts = (): MatrixCodes[] =>
    id.kind === 'head' ? [quantized.head!()] : id.roles.map((role) => quantized.linear(id.layer, role));
  makers.set(`${name}.codes`, () => (quantized.scheme === 'w8a8' ? transposedCodes(parts()) : blockCodes(parts())));
  makers.set(`${name}.scales`, () =>
    join(
      parts().map((part) => (quantized.scheme === 'w8a8' ? rowScales(part) : groupScales(part, quantized.groupSize))),
      Float32Array,
    ),
  );
}

/** i8 [in, out] of parts stacked along out, for MatMulInteger. */
function transposedCodes(parts: MatrixCodes[]): Int8Array {
  const out = parts.reduce((sum, part) => sum + part.rows, 0);
  const columns = parts[0]!.columns;
  const result = new Int8Array(out * columns);
  let first = 0;
  for (const { rows, codes } of parts) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++)
        result[column * out + first + row] = codes[row * columns + column]!;
    }
    first += rows;
  }
  return result;
}

/** u8 [out, groups, groupSize] with zero at 128, for MatMulNBits. */
function blockCodes(parts: MatrixCodes[]): Uint8Array {
  return join(
    parts.map(({ codes }) => Uint8Array.from(codes, (code) => code + 128)),
    Uint8Array,
  );
}

function rowScales({ rows, scales, groupSize }: MatrixCodes): Float32Array {
  if (groupSize !== undefined || scales.length !== rows) {
    throw new LlmkitError('data', 'w8a8 needs one scale an output channel', { got: `groups of ${groupSize}` });
  }
  return scales;
}

function groupScales({ rows, columns, scales, groupSize }: MatrixCodes, wanted: number): Float32Array {
  if (groupSize === wanted) return scales;
  if (groupSize !== undefined || columns % wanted !== 0) {
    throw new LlmkitError('data', `${columns} columns cannot be read in groups of ${wanted}`, {
      got: `groups of ${groupSize ?? columns}`,
    });
  }
  const groups = columns / wanted;
  return Float32Array.from({ length: rows * groups }, (_, i) => scales[Math.floor(i / groups)]!);
}

function join<T extends Float32Array | Uint8Array>(parts: T[], kind: new (length: number) => T): T {
  if (parts.length === 1) return parts[0]!;
  const whole = new kind(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
