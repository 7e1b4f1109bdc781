import type { TfEngine } from '../engine/tf/index.ts';
import { checkpoint as yieldTo } from '../infer/yield.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import type { LinearRole } from '../model/spec.ts';
import { moduleShape } from '../model/tensors.ts';
import { inputGroups } from './block-graph.ts';
import { Calibration } from './calibrate.ts';
import type { CalibrationRow } from './calibrate.ts';
import { checkQuantizable, moduleOf, quantizeHead } from './compressed-tensors.ts';
import type { HeadPrecision } from './compressed-tensors.ts';
import { factorHessian, gptq } from './gptq.ts';
import type { GptqOptions } from './gptq.ts';
import { dequantize, reconstructionErrors, roundToNearest } from './grid.ts';
import type { QuantizedMatrix } from './grid.ts';

/** What quantization did to one linear layer. */
export interface LayerReport {
  layer: number;
  role: LinearRole;
  module: string;
  method: 'gptq' | 'rtn';
  /** Mean square of the output's error over that of the output, on the calibration data; null where there is none (rtn). */
  error: number | null;
  /** The same, had every weight been rounded to nearest. */
  rtnError: number | null;
  damping: number | null;
  deadColumns: number;
  note: string | null;
}

export interface QuantizeModelOptions extends GptqOptions {
  checkpoint: Checkpoint;
  head: HeadPrecision;
  /** Absent: every weight to its nearest code, without data. */
  calibration: { engine: TfEngine; rows: readonly CalibrationRow[]; maxLength: number } | undefined;
  signal?: AbortSignal | undefined;
  onLayer: (report: LayerReport, matrix: QuantizedMatrix) => void;
}

/**
 * Quantizes every linear layer of a checkpoint, in the order of computation. With calibration it is GPTQ in the
 * true-sequential way: each group of layers sees inputs that passed through everything quantized before it.
 *
 * @returns calibration tokens that were run.
 */
export async function quantizeModel(options: QuantizeModelOptions): Promise<{ calibrationTokens: number }> {
  const { checkpoint, calibration } = options;
  const { spec } = checkpoint;
  checkQuantizable(spec);
  if (calibration === undefined) {
    for (let layer = 0; layer < spec.numLayers; layer++) {
      for (const role of inputGroups(spec).flat()) {
        await yieldTo(options.signal);
        roundLayer(options, layer, role);
      }
    }
    return { calibrationTokens: 0 };
  }
  const runner = new Calibration({
    ...calibration,
    checkpoint,
    embedding: embeddingOf(checkpoint, options.head),
    signal: options.signal,
  });
  try {
    for (let layer = 0; layer < spec.numLayers; layer++) {
      runner.begin(layer);
      for (const group of inputGroups(spec)) await compensateGroup(options, runner, layer, group);
      if (layer + 1 < spec.numLayers) await runner.advance();
    }
    return { calibrationTokens: runner.tokens };
  } finally {
    runner.dispose();
  }
}

/** The embedding as inference will look it up: a tied one is the quantized head's rows. */
function embeddingOf(checkpoint: Checkpoint, head: HeadPrecision): Float32Array {
  if (head === 'keep' || !checkpoint.spec.tiedHead) return checkpoint.embedding();
  return dequantize(quantizeHead(checkpoint.weights, checkpoint.spec));
}

function roundLayer(options: QuantizeModelOptions, layer: number, role: LinearRole): void {
  const { checkpoint, onLayer } = options;
  const { weight } = checkpoint.module(layer, role);
  const [rows, columns] = moduleShape(checkpoint.spec, layer, role);
  const matrix = roundToNearest(weight, rows, columns, options);
  const module = moduleOf(checkpoint.spec, layer, role);
  onLayer(
    { layer, role, module, method: 'rtn', error: null, rtnError: null, damping: null, deadColumns: 0, note: null },
    matrix,
  );
}

async function compensateGroup(
  options: QuantizeModelOptions,
  runner: Calibration,
  layer: number,
  group: LinearRole[],
): Promise<void> {
  const { checkpoint, onLayer } = options;
  const { spec } = checkpoint;
  const [, columns] = moduleShape(spec, layer, group[0]!);
  const hessian = await runner.hessian(group[0]!);
  const factored = factorHessian(hessian, columns, options);
  for (const role of group) {
    await yieldTo(options.signal);
    const { weight } = checkpoint.module(layer, role);
    const [rows] = moduleShape(spec, layer, role);
    const { matrix, method, damping, deadColumns, note } = gptq(weight, rows, factored, options);
    const rounded = roundToNearest(weight, rows, columns, options);
    const [error, rtnError] = reconstructionErrors(weight, [matrix, rounded], hessian);
    const report: LayerReport = {
      layer,
      role,
      module: moduleOf(spec, layer, role),
      method,
      error: error!,
      rtnError: rtnError!,
      damping,
      deadColumns,
      note: note ?? null,
    };
    onLayer(report, matrix);
    runner.replace(role, dequantize(matrix));
  }
}
