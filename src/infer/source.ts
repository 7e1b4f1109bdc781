import { join } from 'node:path';
import { LlmkitError } from '../core/errors.ts';
import { describeFile } from '../io/manifest.ts';
import { weightFiles } from '../io/weights.ts';
import { readAdapter } from '../model/adapter.ts';
import { type Checkpoint, openCheckpoint } from '../model/checkpoint.ts';
import { adaptRow, moduleScale } from '../model/lora.ts';
import { overlay } from '../model/overlay.ts';
import { linearShape, matrixName, storedRow } from '../model/tensors.ts';
import { checkTrainedOn } from '../model/trained-on.ts';
import { isQuantized, openQuantized } from '../quant/compressed-tensors.ts';
import type { QuantizedMatrix } from '../quant/grid.ts';
import type { DecoderSource, MatrixCodes } from './build.ts';

/** Columns that share a scale in MatMulNBits when the checkpoint itself has one scale a row. */
const DEFAULT_GROUP = 32;

export type OpenSource = DecoderSource & { close(): void };

/**
 * A model folder as the inference graph reads it: a checkpoint, a checkpoint with a LoRA adapter folded into its weights as
 * they are read, or a quantized checkpoint.
 *
 * @throws LlmkitError naming what does not fit; 'usage' for an adapter on a quantized model.
 */
export function openSource(dir: string, adapterDir?: string): OpenSource {
  if (!isQuantized(dir)) return plainSource(dir, adapterDir);
  if (adapterDir !== undefined) {
    throw new LlmkitError('usage', 'an adapter cannot be put on a quantized model', {
      where: dir,
      hint: 'merge it into the base checkpoint and quantize that: llmkit merge, then llmkit quantize',
    });
  }
  return quantizedSource(dir);
}

function plainSource(dir: string, adapterDir: string | undefined): OpenSource {
  const base = openCheckpoint(dir);
  try {
    const { spec } = base;
    const adapter = adapterDir === undefined ? undefined : readAdapter(adapterDir, spec);
    if (adapterDir !== undefined)
      checkTrainedOn(adapterDir, () => weightFiles(dir).map((name) => describeFile(join(dir, name))));
    const checkpoint = overlay(base, adapter?.weights ?? new Map(), dir);
    return {
      spec,
      ...named(checkpoint),
      linear(layer, role) {
        const { weight } = checkpoint.linear(layer, role);
        const { module, rows } = matrixName(spec, layer, role);
        const factors = adapter?.factors.get(module);
        if (adapter === undefined || factors === undefined) return weight;
        const { r, scale } = moduleScale(adapter.lora, module);
        const inner = factors.A.length / r;
        for (let row = 0; row < weight.length / inner; row++) {
          const part = weight.subarray(row * inner, (row + 1) * inner);
          const values = Float64Array.from(part);
          adaptRow(values, factors, storedRow(rows, row), scale);
          part.set(values);
        }
        return weight;
      },
      close: () => checkpoint.close(),
    };
  } catch (error) {
    base.close();
    throw error;
  }
}

function quantizedSource(dir: string): OpenSource {
  const checkpoint = openQuantized(dir);
  const { spec, scheme, weights, headPrecision } = checkpoint;
  const codes = (matrix: QuantizedMatrix): MatrixCodes => ({
    ...matrix,
    groupSize: matrix.groupSize === matrix.columns ? undefined : matrix.groupSize,
  });
  return {
    spec,
    tensor: (name) => weights.readF32(name),
    bias(layer, role) {
      const { module, rows } = matrixName(spec, layer, role);
      const bias = weights.readF32(`${module}.bias`);
      const [out] = linearShape(spec, role);
      return Float32Array.from({ length: out }, (_, row) => bias[storedRow(rows, row)]!);
    },
    linear: (layer, role) => {
      throw new LlmkitError('bug', 'a quantized layer was asked for as f32', { where: `layer ${layer} ${role}` });
    },
    quantized: {
      scheme: scheme.scheme,
      groupSize: scheme.scheme === 'w8a8' ? 0 : (scheme.groupSize ?? DEFAULT_GROUP),
      linear: (layer, role) => codes(checkpoint.linear(layer, role)),
      head: headPrecision === 'keep' ? undefined : () => codes(checkpoint.head()!),
    },
    close: () => checkpoint.close(),
  };
}

function named(checkpoint: Checkpoint): Pick<DecoderSource, 'tensor' | 'bias'> {
  return {
    tensor: (name) => checkpoint.weights.readF32(name),
    bias(layer, role) {
      const { bias } = checkpoint.linear(layer, role);
      if (bias === undefined) throw new LlmkitError('bug', `layer ${layer} has no bias on ${role}`);
      return bias;
    },
  };
}
