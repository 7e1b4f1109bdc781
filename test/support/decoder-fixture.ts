import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { documentStarts } from '../../src/decoder/packed-attention.ts';
import { openSafetensors } from '../../src/io/safetensors.ts';
import { openCheckpoint } from '../../src/model/checkpoint.ts';
import type { Checkpoint } from '../../src/model/checkpoint.ts';

export const DECODER_FIXTURES = fileURLToPath(new URL('../golden/decoder/', import.meta.url));

interface Expected {
  loss: number;
  target_tokens: number;
  lora_loss: number;
  packed: { loss: number; lora_loss: number };
  lora_steps: TrainingRun;
  lora_steps_clipped: TrainingRun;
  pretrain?: TrainingRun;
  greedy?: { prompt: number[]; tokens: number[] };
}

export interface TrainingRun {
  losses: number[];
  grad_norms: number[];
}

/** A tiny model, what transformers and PEFT say of it, and the feeds that a training graph of it wants. */
export interface DecoderFixture {
  folder: string;
  checkpoint: Checkpoint;
  expected: Expected;
  /** A tensor of expected.safetensors, as f32. */
  tensor(name: string): Float32Array;
  shapeOf(name: string): readonly number[];
  /** Every weight by its checkpoint name, and LoRA factors as `<module>.lora_A.weight`. */
  weights: Record<string, Float32Array>;
  adapter: Record<string, Float32Array>;
}

export function openFixture(name: string): DecoderFixture {
  const folder = `${DECODER_FIXTURES}${name}`;
  const checkpoint = openCheckpoint(folder);
  const file = openSafetensors(`${folder}/expected.safetensors`);
  const adapterFile = openSafetensors(`${folder}/adapter/adapter_model.safetensors`);
  const weights: Record<string, Float32Array> = {};
  for (const key of checkpoint.weights.tensors.keys()) weights[key] = checkpoint.weights.readF32(key);
  const adapter: Record<string, Float32Array> = {};
  for (const key of adapterFile.tensors.keys())
    adapter[key.replace('base_model.model.', '')] = adapterFile.readF32(key);
  return {
    folder,
    checkpoint,
    expected: JSON.parse(readFileSync(`${folder}/expected.json`, 'utf8')) as Expected,
    tensor(key) {
      const { dtype } = file.tensors.get(key)!;
      if (dtype !== 'I32') return file.readF32(key);
      const bytes = file.read(key);
      return Float32Array.from(new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4));
    },
    shapeOf: (key) => file.tensors.get(key)!.shape,
    weights,
    adapter,
  };
}

export interface Batch {
  input_ids: Int32Array;
  document_starts: Int32Array;
  target_positions: Int32Array;
  target_ids: Int32Array;
  target_weights: Float32Array;
}

/** Rows of ids and labels (each label at its own token, as transformers has them) as a training graph is fed. */
export function makeBatch(
  ids: ArrayLike<number>,
  labels: ArrayLike<number>,
  length: number,
  documents?: number[],
): Batch {
  const rows = ids.length / length;
  const starts = new Int32Array(ids.length);
  for (let row = 0; row < rows; row++) {
    documentStarts(documents ?? [length], starts.subarray(row * length, (row + 1) * length));
  }
  const positions: number[] = [];
  for (let i = 0; i + 1 < ids.length; i++) {
    if ((i + 1) % length !== 0 && labels[i + 1] !== -100) positions.push(i);
  }
  return {
    input_ids: Int32Array.from(ids),
    document_starts: starts,
    target_positions: Int32Array.from(positions),
    target_ids: Int32Array.from(positions, (i) => labels[i + 1]!),
    target_weights: new Float32Array(positions.length).fill(1),
  };
}
