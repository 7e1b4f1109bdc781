import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { cacheRoot } from '../core/cache-root.ts';
import { cpuFeatures, hasInt8DotProduct } from '../core/cpu.ts';
import { createSession } from '../engine/ort/index.ts';
import { loadModelConfig } from '../model/config.ts';
import { generationEos } from '../model/generation-config.ts';
import type { DecoderSpec } from '../model/spec.ts';
import { isQuantized } from '../quant/compressed-tensors.ts';
import { type CachedModel, cachedModel } from './model-cache.ts';
import { type DecoderOptions, DecoderSession } from './runner.ts';

export interface OpenModelOptions extends Pick<DecoderOptions, 'prefillChunk' | 'initialCapacity'> {
  /** Folder of a PEFT adapter, added to the weights. */
  adapter?: string | undefined;
  /** Threads of the products; by default those the process may use. */
  threads?: number | undefined;
  /** Where ONNX models are kept; by default under llmkit's cache folder. */
  cacheDir?: string | undefined;
  /** Use the weights from the mapped file: less memory and a faster start, slower products. */
  mapped?: boolean;
}

export interface OpenedModel {
  spec: DecoderSpec;
  session: DecoderSession;
  /** Ids that end a text, from generation_config.json or config.json. */
  eosTokenIds: readonly number[];
  quantized: boolean;
  onnx: CachedModel;
  dispose(): void;
}

/**
 * Opens a checkpoint, merged or quantized folder for inference. Its ONNX model is made on first use and kept.
 *
 * @throws LlmkitError for a folder that is no model llmkit reads, an adapter that does not fit, a machine without ONNX
 *   Runtime, or a full disk.
 */
export async function openModel(dir: string, options: OpenModelOptions = {}): Promise<OpenedModel> {
  const quantized = isQuantized(dir);
  const { spec } = loadModelConfig(dir, { quantized });
  const cacheDir = options.cacheDir ?? join(cacheRoot(), 'onnx');
  const onnx = await cachedModel(cacheDir, dir, options.adapter);
  const threads = options.threads ?? availableParallelism();
  // Without a dot-product instruction, the fast int8 product of x64 adds pairs in 16 bits and may overflow.
  const exact = quantized && process.arch === 'x64' && !hasInt8DotProduct(cpuFeatures());
  const ort = createSession(onnx.modelPath, { threads, mapped: options.mapped ?? false, x64QuantPrecision: exact });
  const session = new DecoderSession(ort, {
    ...options,
    threads,
    contextLength: spec.maxPositions,
    position: spec.position,
  });
  const adapterEos = options.adapter === undefined ? undefined : generationEos(options.adapter, spec);
  const eosTokenIds = adapterEos ?? spec.eosTokenIds;
  return { spec, session, eosTokenIds, quantized, onnx, dispose: () => session.dispose() };
}
