import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../io/atomic.ts';
import { openSafetensors, writeSafetensors } from '../io/safetensors.ts';
import type { SafetensorsFile, TensorToWrite, WeightSource } from '../io/safetensors.ts';
import type { JsonObject } from '../io/json-file.ts';
import type { DecoderSpec, LinearRole } from '../model/spec.ts';
import { compressedTensorsConfig } from './checkpoint-config.ts';
import type { QuantizationScheme } from './checkpoint-config.ts';
import { HEAD_METADATA, matrixTensors, moduleOf } from './compressed-tensors.ts';
import type { HeadPrecision, ScaleDtype } from './compressed-tensors.ts';
import { GENERATION_CONFIG } from '../model/generation-config.ts';
import { TOKENIZER_FILES } from '../tokenizer/index.ts';
import type { QuantizedMatrix } from './grid.ts';

/** Files of a checkpoint folder that go with the weights unchanged. */
const COMPANIONS = [GENERATION_CONFIG, ...TOKENIZER_FILES];

/**
 * Writes a quantized checkpoint layer by layer. Finished layers go to scratch files in the folder itself, so that memory
 * holds one matrix whatever the model's size; `finish` joins them with the tensors that stay as they were.
 */
export class QuantizedWriter {
  readonly #dir: string;
  readonly #scratch: string;
  readonly #sourceDirs: string[];
  readonly #weights: WeightSource;
  readonly #spec: DecoderSpec;
  readonly #scheme: QuantizationScheme;
  readonly #parts: { module: string; path: string }[] = [];

  /**
   * @param dir the folder to fill, best one of `withAtomicDir`.
   * @param source the checkpoint that is being quantized; `tokenizerDir` where its tokenizer does not lie beside it.
   */
  constructor(
    dir: string,
    source: { dir: string; tokenizerDir?: string; weights: WeightSource; spec: DecoderSpec },
    scheme: QuantizationScheme,
  ) {
    this.#dir = dir;
    this.#scratch = join(dir, '.layers');
    mkdirSync(this.#scratch, { recursive: true });
    this.#sourceDirs = [source.dir, source.tokenizerDir ?? source.dir];
    this.#weights = source.weights;
    this.#spec = source.spec;
    this.#scheme = scheme;
  }

  /** Takes one finished linear layer. */
  put(layer: number, role: LinearRole, matrix: QuantizedMatrix): void {
    const module = moduleOf(this.#spec, layer, role);
    const path = join(this.#scratch, `${layer}.${role}.safetensors`);
    writeSafetensors(path, matrixTensors(module, this.#scheme.scheme, matrix, this.#scaleDtype(module)));
    this.#parts.push({ module, path });
  }

  /** Joins everything into model.safetensors, and writes config.json and the tokenizer beside it. */
  finish(rawConfig: JsonObject, head: HeadPrecision): void {
    const replaced = new Set(this.#parts.map(({ module }) => `${module}.weight`));
    const tensors: TensorToWrite[] = [];
    for (const [name, { dtype, shape }] of this.#weights.tensors) {
      if (!replaced.has(name)) tensors.push({ name, dtype, shape, data: () => this.#weights.read(name) });
    }
    const files: SafetensorsFile[] = [];
    try {
      for (const { path } of this.#parts) {
        const file = openSafetensors(path);
        files.push(file);
        for (const [name, { dtype, shape }] of file.tensors)
          tensors.push({ name, dtype, shape, data: () => file.read(name) });
      }
      writeSafetensors(join(this.#dir, 'model.safetensors'), tensors, { [HEAD_METADATA]: head });
    } finally {
      for (const file of files) file.close();
    }
    rmSync(this.#scratch, { recursive: true });
    const config = {
      ...rawConfig,
      quantization_config: compressedTensorsConfig(this.#scheme, this.#spec.names.headModule),
    };
    writeFileAtomic(join(this.#dir, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
    for (const name of COMPANIONS) {
      const from = this.#sourceDirs.map((dir) => join(dir, name)).find(existsSync);
      // Not copyFile: a read-only source would leave a read-only copy.
      if (from !== undefined) writeFileAtomic(join(this.#dir, name), readFileSync(from));
    }
  }

  /** Scales are stored as the layer's own weights were: the grid's scales are exact in each of these. */
  #scaleDtype(module: string): ScaleDtype {
    const dtype = this.#weights.tensors.get(`${module}.weight`)?.dtype;
    return dtype === 'BF16' || dtype === 'F16' ? dtype : 'F32';
  }
}
