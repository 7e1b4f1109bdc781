import type { WeightSource } from '../io/safetensors.ts';
import type { DecoderSpec } from './spec.ts';

/** What the names of the decoder's weights begin with, and those of the head do not: `transformer.`, say. */
function prefixOf({ names }: DecoderSpec): string {
  return names.embedding.slice(0, names.embedding.indexOf('.') + 1);
}

/**
 * The same weights by the names of the spec. transformers saves a decoder without its head (`GPT2Model`, and the GPT-2
 * checkpoints that everybody has) without the first part of every name: `wte.weight` for `transformer.wte.weight`.
 */
export function withBasePrefix(weights: WeightSource, spec: DecoderSpec): WeightSource {
  const prefix = prefixOf(spec);
  const embedding = `${spec.names.embedding}.weight`;
  if (weights.tensors.has(embedding) || !weights.tensors.has(embedding.slice(prefix.length))) return weights;
  const head = `${spec.names.headModule}.weight`;
  const stored = new Map([...weights.tensors.keys()].map((name) => [name === head ? name : prefix + name, name]));
  return {
    tensors: new Map([...stored].map(([name, from]) => [name, weights.tensors.get(from)!])),
    metadata: weights.metadata,
    read: (name) => weights.read(stored.get(name) ?? name),
    readF32: (name) => weights.readF32(stored.get(name) ?? name),
    close: () => weights.close(),
  };
}

/**
 * The name that a tensor of the files has in the opened checkpoint.
 *
 * @param weights as `withBasePrefix` gives them
 */
export function openedName(weights: WeightSource, spec: DecoderSpec, stored: string): string {
  return weights.tensors.has(stored) ? stored : prefixOf(spec) + stored;
}
