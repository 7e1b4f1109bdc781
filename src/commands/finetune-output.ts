import { deriveCheckpoint } from '../export/derive.ts';
import { writeAdapter } from '../model/adapter.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import { adapterOf } from '../train/weights.ts';
import type { ChosenMethod, FinetuneSection as Section } from './finetune-method.ts';

/** What fine-tuning leaves: an adapter as PEFT writes it, or a checkpoint with the trained weights in their places. */
export async function writeTrained(
  folder: string,
  run: {
    checkpoint: Checkpoint;
    base: string;
    section: Section;
    method: ChosenMethod;
    trained: ReadonlyMap<string, Float32Array>;
    signal: AbortSignal;
  },
): Promise<void> {
  const { checkpoint, base, section, method, trained, signal } = run;
  const { spec } = checkpoint;
  if (method.settings) {
    writeAdapter(folder, { spec, lora: method.settings, ...adapterOf(trained), baseModel: base });
    return;
  }
  const dtype = section.save_dtype === 'auto' ? undefined : section.save_dtype;
  await deriveCheckpoint(folder, { base, checkpoint, dtype, changed: (name) => trained.get(name), signal });
}
