import { Random } from '../core/random.ts';
import type { DecoderGraph } from '../decoder/training.ts';
import type { TfEngine, TfTensor } from '../engine/tf/index.ts';
import { f32ToBf16 } from '../core/half.ts';
import { LlmkitError } from '../core/errors.ts';
import { alignedBuffer } from '../io/atomic.ts';
import type { WeightSource } from '../io/safetensors.ts';
import type { Adapter } from '../model/adapter.ts';
import { type LoraFactors, rowNorms } from '../model/lora.ts';
import type { DecoderSpec } from '../model/spec.ts';
import { linearModules } from '../model/tensors.ts';

type WeightInfo = DecoderGraph['weights'][number];

const MAGNITUDE = '.lora_magnitude_vector';
const FACTOR = /^(.+)\.lora_(?:A\.weight|B\.weight|magnitude_vector)$/;

/** Frozen weights as tensors, each read from the checkpoint straight into memory that the engine uses without a copy. */
export function loadFrozen(
  engine: TfEngine,
  weights: readonly WeightInfo[],
  source: WeightSource,
): Record<string, TfTensor> {
  const tensors: Record<string, TfTensor> = {};
  for (const { name, shape, dtype, trained } of weights) {
    if (trained) continue;
    const data = dtype === 'f32' ? source.readF32(name) : readBits(name, source);
    tensors[name] = engine.tensor(data, shape, dtype);
  }
  return tensors;
}

/** A weight as the bits of bf16: those of the file where it stores bf16, else rounded to nearest even. */
function readBits(name: string, source: WeightSource): Uint16Array {
  if (source.tensors.get(name)?.dtype === 'BF16') {
    const { buffer, byteOffset, byteLength } = source.read(name);
    return new Uint16Array(buffer, byteOffset, byteLength / 2);
  }
  const values = source.readF32(name);
  const { buffer, byteOffset } = alignedBuffer(values.length * 2);
  return f32ToBf16(values, new Uint16Array(buffer, byteOffset, values.length));
}

/** First values of the trained weights, by name; undefined: zeros. Asked for once each, so that they need not be held. */
export interface InitialValues {
  get(name: string): Float32Array | undefined;
}

export interface LoraInit {
  /** A normal with standard deviation 1 / r instead of Kaiming-uniform. */
  gaussian?: boolean;
  /** Where weights of the base that are trained too begin, and the row lengths with which DoRA does. */
  base?: { spec: DecoderSpec; source: WeightSource };
}

/**
 * First values of an adapter as PEFT draws them: A uniform in +-1/sqrt(in) (Kaiming with a = sqrt(5)) or normal, B zero, so
 * that the adapted model starts as the base; DoRA's magnitudes are the lengths of the base's rows. Each factor has a stream
 * of its own, by name.
 */
export function initLora(
  weights: readonly WeightInfo[],
  seed: number,
  { gaussian = false, base }: LoraInit = {},
): Map<string, Float32Array> {
  const values = new Map<string, Float32Array>();
  const random = new Random(seed);
  const modules = new Map(base ? linearModules(base.spec).map((module) => [module.module, module]) : []);
  for (const { name, shape, trained } of weights) {
    if (!trained) continue;
    const [rows, columns] = shape as [number, number];
    if (name.endsWith('.lora_A.weight')) {
      const stream = random.fork(name);
      const bound = 1 / Math.sqrt(columns);
      const draw = gaussian ? () => stream.normal() / rows : () => (2 * stream.float() - 1) * bound;
      values.set(name, Float32Array.from({ length: rows * columns }, draw));
    } else if (name.endsWith('.lora_B.weight')) {
      values.set(name, new Float32Array(rows * columns));
    } else if (!base) {
      throw new LlmkitError('bug', `${name} is trained but is no LoRA factor`);
    } else if (name.endsWith(MAGNITUDE)) {
      const { module, out, transposed } = modules.get(name.slice(0, -MAGNITUDE.length))!;
      values.set(name, rowNorms(base.source.readF32(`${module}.weight`), out, transposed));
    } else {
      values.set(name, base.source.readF32(name));
    }
  }
  return values;
}

/** An adapter's values under the names of the training graph. */
export function* adapterValues({
  factors,
  weights,
}: Pick<Adapter, 'factors' | 'weights'>): Generator<[string, Float32Array]> {
  for (const [module, { A, B, magnitude }] of factors) {
    yield [`${module}.lora_A.weight`, A];
    yield [`${module}.lora_B.weight`, B];
    if (magnitude) yield [module + MAGNITUDE, magnitude];
  }
  yield* weights;
}

/** The trained values of an adapter, put together as `writeAdapter` wants them. */
export function adapterOf(trained: ReadonlyMap<string, Float32Array>): Pick<Adapter, 'factors' | 'weights'> {
  const factors = new Map<string, LoraFactors>();
  const weights = new Map<string, Float32Array>();
  for (const [name, values] of trained) {
    const module = FACTOR.exec(name)?.[1];
    if (module === undefined) {
      weights.set(name, values);
    } else if (name.endsWith('.lora_A.weight')) {
      const B = trained.get(`${module}.lora_B.weight`);
      if (!B) throw new LlmkitError('bug', `${module} has lora_A without lora_B`);
      const magnitude = trained.get(module + MAGNITUDE);
      factors.set(module, { A: values, B, ...(magnitude ? { magnitude } : {}) });
    }
  }
  return { factors, weights };
}
