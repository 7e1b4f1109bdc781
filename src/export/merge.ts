import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Json } from '../core/events.ts';
import { withAtomicDir, writeFileAtomic } from '../io/atomic.ts';
import { checkReplaceable } from '../io/replaceable.ts';
import { type Adapter, readAdapter } from '../model/adapter.ts';
import { type Checkpoint, openCheckpoint } from '../model/checkpoint.ts';
import type { CheckpointDtype } from '../model/config.ts';
import { GENERATION_CONFIG } from '../model/generation-config.ts';
import { loraScale, moduleScale } from '../model/lora.ts';
import { linearModules } from '../model/tensors.ts';
import { TOKENIZER_FILES } from '../tokenizer/index.ts';
import { deriveCheckpoint } from './derive.ts';
import { mergeLinear } from './merge-linear.ts';

export interface MergeOptions {
  /** Folders: the base checkpoint, the PEFT adapter, and where the merged checkpoint goes. */
  base: string;
  adapter: string;
  out: string;
  /** Folder of the tokenizer files to copy; the base by default. */
  tokenizer?: string;
  /** Stored dtype of all tensors; by default every tensor keeps the one it has in the base. */
  dtype?: CheckpointDtype;
  signal?: AbortSignal;
  onTensor?: (done: number, total: number) => void;
  /**
   * Compares the merged checkpoint with base and adapter, before it takes its final place; throws when they differ too
   * much. What it returns goes into the report.
   */
  verify?: (folders: { base: string; adapter: string; merged: string }) => Promise<{ [key: string]: Json }>;
  /** The last to write into the folder (the manifest), before it takes its final place. */
  finish?: (merged: string, report: MergeReport) => Promise<void>;
}

export interface MergeReport {
  /** Linear layers that the adapter changed. */
  mergedModules: number;
  /** Tensors of the base that the adapter replaced: trained biases and modules_to_save. */
  replacedTensors: number;
  tensors: number;
  /** Of the layers that no pattern picks out. */
  scale: number;
  /**
   * How much of the adapter the stored dtype loses: norm of the rounding error over norm of what was added, over all
   * merged weights. 0 for a base in f32.
   */
  roundingOverUpdate: number;
  verification: { [key: string]: Json } | undefined;
}

/**
 * Merges a LoRA adapter into its base: W + scale * B A in fp32 (DoRA: its rows brought to their magnitudes), stored in the
 * base's dtype and shards. All other tensors keep their bytes; config, generation config and tokenizer come along. One
 * tensor is in memory at a time, and the folder appears whole or not at all.
 *
 * @throws LlmkitError for a base or adapter that does not fit (`data`, `io`), an output that is an input (`usage`), or
 *   whatever `verify` throws
 */
export async function mergeAdapter(options: MergeOptions): Promise<MergeReport> {
  const { base, adapter: adapterDir, out, dtype, signal, onTensor } = options;
  checkReplaceable(out, [base, adapterDir]);
  const checkpoint = openCheckpoint(base);
  try {
    const adapter = readAdapter(adapterDir, checkpoint.spec);
    return await withAtomicDir(out, async (dir) => {
      const update = new Update(checkpoint, adapter);
      const changed = (name: string): Float32Array | undefined => update.of(name);
      const derived = await deriveCheckpoint(dir, { base, checkpoint, dtype, changed, signal, onTensor });
      copyCompanions(options, dir);
      const verification = await options.verify?.({ base, adapter: adapterDir, merged: dir });
      const report: MergeReport = {
        mergedModules: adapter.factors.size,
        replacedTensors: adapter.weights.size,
        tensors: derived.tensors,
        scale: loraScale(adapter.lora),
        roundingOverUpdate: update.squared === 0 ? 0 : Math.sqrt(derived.roundingSquared / update.squared),
        verification,
      };
      await options.finish?.(dir, report);
      return report;
    });
  } finally {
    checkpoint.close();
  }
}

/** What the adapter makes of the base's tensors. */
class Update {
  /** Squared norm of all that was added so far. */
  squared = 0;
  readonly #checkpoint: Checkpoint;
  readonly #adapter: Adapter;
  readonly #modules: Map<string, ReturnType<typeof linearModules>[number]>;

  constructor(checkpoint: Checkpoint, adapter: Adapter) {
    this.#checkpoint = checkpoint;
    this.#adapter = adapter;
    this.#modules = new Map(linearModules(checkpoint.spec).map((module) => [`${module.module}.weight`, module]));
  }

  of(name: string): Float32Array | undefined {
    const { lora, factors, weights } = this.#adapter;
    const replaced = weights.get(name);
    if (replaced !== undefined) {
      const before = this.#checkpoint.weights.readF32(name);
      for (let i = 0; i < before.length; i++) this.squared += (replaced[i]! - before[i]!) ** 2;
      return replaced;
    }
    const module = this.#modules.get(name);
    const found = module === undefined ? undefined : factors.get(module.module);
    if (module === undefined || found === undefined) return undefined;
    const values = this.#checkpoint.weights.readF32(name);
    this.squared += mergeLinear(values, module, found, moduleScale(lora, module.module).scale);
    return values;
  }
}

/** Tokenizer and generation config; contents only, since copying a read-only file would make one. */
function copyCompanions({ base, adapter, tokenizer = base }: MergeOptions, dir: string): void {
  const copy = (from: string, name: string): void => {
    if (existsSync(join(from, name))) writeFileAtomic(join(dir, name), readFileSync(join(from, name)));
  };
  // The adapter's own, where training wrote one, names the stop tokens that it taught.
  copy(existsSync(join(adapter, GENERATION_CONFIG)) ? adapter : base, GENERATION_CONFIG);
  for (const name of TOKENIZER_FILES) copy(tokenizer, name);
}
