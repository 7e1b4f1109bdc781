import { LlmkitError } from '../core/errors.ts';
import type { LoraOptions } from '../decoder/training-weights.ts';
import type { DecoderGraph } from '../decoder/training.ts';
import type { WeightSource } from '../io/safetensors.ts';
import { type Adapter, replacedWeights } from '../model/adapter.ts';
import { loraScale, type LoraSettings, moduleScale } from '../model/lora.ts';
import { resolveTargetModules, savedTensors } from '../model/lora-targets.ts';
import type { DecoderSpec } from '../model/spec.ts';
import { expectedTensors } from '../model/tensors.ts';
import { adapterValues, initLora } from './weights.ts';
import type { InitialValues } from './weights.ts';

/** What is trained and from where: the part of a run that a method of fine-tuning decides. */
export interface Method {
  lora: LoraOptions | undefined;
  trains: (name: string) => boolean;
  initial: (weights: DecoderGraph['weights']) => InitialValues;
}

/** LoRA's settings as the training graph takes them, for the layers that have an adapter. */
export function loraOptions(lora: LoraSettings, modules: Iterable<string>, dropout: number): LoraOptions {
  const scales = new Map([...modules].map((module) => [module, moduleScale(lora, module)]));
  const usual = { r: lora.r, scaling: loraScale(lora) };
  const differing = [...scales].filter(([, { r, scale }]) => r !== usual.r || scale !== usual.scaling);
  return {
    ...usual,
    dropout,
    targets: (module) => scales.has(module),
    exceptions: new Map(differing.map(([module, { r, scale }]) => [module, { r, scaling: scale }])),
    dora: lora.useDora ?? false,
  };
}

/**
 * Adapters over a frozen base, and the biases and modules that LoRA's settings train with them.
 *
 * @param from an adapter to begin with, instead of fresh factors
 * @throws LlmkitError('config') for settings that do not fit the model
 */
export function loraMethod(
  base: { spec: DecoderSpec; source: WeightSource },
  lora: LoraSettings,
  { seed, from }: { seed: number; from?: Adapter | undefined },
): Method {
  const replaced = new Set(replacedWeights(base.spec, lora));
  const gaussian = lora.initLoraWeights === 'gaussian';
  const modules = resolveTargetModules(base.spec, lora).map(({ module }) => module);
  if (from) checkSame(modules, from);
  return {
    lora: loraOptions(lora, modules, lora.dropout),
    trains: (name) => replaced.has(name),
    initial: (weights) => (from ? new Map(adapterValues(from)) : initLora(weights, seed, { gaussian, base })),
  };
}

/** The result is written under the same settings, so they must name what the adapter has. */
function checkSame(modules: readonly string[], { factors }: Adapter): void {
  const differing = [...modules.filter((module) => !factors.has(module)), ...factors.keys()].find(
    (module) => !modules.includes(module) || !factors.has(module),
  );
  if (differing === undefined) return;
  throw new LlmkitError('data', `the adapter's target_modules and its factors do not agree on ${differing}`, {
    where: 'adapter_config.json: target_modules',
    hint: 'list the modules by name there',
  });
}

/** Every weight, from the base's values. */
export function fullMethod(source: WeightSource): Method {
  return { lora: undefined, trains: () => true, initial: () => ({ get: (name) => source.readF32(name) }) };
}

export interface FreezeSettings {
  /** Blocks that are trained: the last so many, or the first when negative. */
  trainableLayers: number;
  /** Modules outside of them that are trained too, by the ends of their paths. */
  extraModules: readonly string[];
}

/**
 * The last blocks (or the first) of a base whose other weights stay as they are, to the byte.
 *
 * @throws LlmkitError('config') for more blocks than there are, or a module that is not there
 */
export function freezeMethod(
  { spec, source }: { spec: DecoderSpec; source: WeightSource },
  { trainableLayers, extraModules }: FreezeSettings,
): Method {
  const count = Math.abs(trainableLayers);
  if (count > spec.numLayers) {
    throw new LlmkitError('config', `the model has ${spec.numLayers} layers`, {
      where: 'finetune.freeze.trainable_layers',
      expected: `at most ${spec.numLayers}`,
      got: String(trainableLayers),
    });
  }
  const first = trainableLayers > 0 ? spec.numLayers - count : 0;
  const trained = new Set(savedTensors(spec, extraModules, true, 'finetune.freeze.extra_modules'));
  const blocks = Array.from({ length: count }, (_, i) => blockPath(spec, first + i));
  for (const { name } of expectedTensors(spec)) if (blocks.some((path) => name.startsWith(path))) trained.add(name);
  return { ...fullMethod(source), trains: (name) => trained.has(name) };
}

/** `model.layers.3.`: what the names of a block's tensors begin with. */
function blockPath(spec: DecoderSpec, layer: number): string {
  const { attentionNorm } = spec.names.layer(layer);
  return attentionNorm.slice(0, attentionNorm.lastIndexOf('.') + 1);
}
