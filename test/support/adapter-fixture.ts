import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openSafetensors } from '../../src/io/safetensors.ts';
import { type Adapter, readAdapter, replacedWeights } from '../../src/model/adapter.ts';
import { loraOptions } from '../../src/train/methods.ts';
import { adapterValues } from '../../src/train/weights.ts';
import type { LoraOptions } from '../../src/decoder/training-weights.ts';
import { type DecoderFixture, openFixture, type TrainingRun } from './decoder-fixture.ts';

export const ADAPTER_FIXTURES = fileURLToPath(new URL('../golden/adapters/', import.meta.url));
export const ADAPTERS = [
  'patterns',
  'layers',
  'dora',
  'bias-all',
  'bias-lora-only',
  'modules-to-save',
  'tied',
  'gpt2-dora',
  'gpt-neox-dora',
];

interface Expected {
  base: string;
  loss: number;
  /** Names of what is trained, as the training graph has them. */
  trained: string[];
  steps: TrainingRun & { learning_rate: number };
}

/** An adapter of a tiny model, and what PEFT says of it. */
export interface AdapterFixture {
  folder: string;
  base: DecoderFixture;
  adapter: Adapter;
  expected: Expected;
  lora: LoraOptions;
  trains: (name: string) => boolean;
  /** What the adapter brings, by the names of the training graph. */
  values: Map<string, Float32Array>;
  /** A tensor of expected.safetensors. */
  tensor(name: string): Float32Array;
  tensors(): string[];
}

export function openAdapterFixture(name: string): AdapterFixture {
  const folder = ADAPTER_FIXTURES + name;
  const expected = JSON.parse(readFileSync(`${folder}/expected.json`, 'utf8')) as Expected;
  const base = openFixture(expected.base);
  const { spec } = base.checkpoint;
  const adapter = readAdapter(folder, spec);
  const replaced = new Set(replacedWeights(spec, adapter.lora));
  const file = openSafetensors(`${folder}/expected.safetensors`);
  return {
    folder,
    base,
    adapter,
    expected,
    lora: loraOptions(adapter.lora, adapter.factors.keys(), 0),
    trains: (weight) => replaced.has(weight),
    values: new Map(adapterValues(adapter)),
    tensor: (key) => file.readF32(key),
    tensors: () => [...file.tensors.keys()],
  };
}
