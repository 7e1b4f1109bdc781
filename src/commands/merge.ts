import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { displayPath, type LoadedConfig } from '../config/index.ts';
import { LlmkitError } from '../core/errors.ts';
import type { CommandContext, CommandResult, Json } from '../core/events.ts';
import { chooseEngine, type EngineChoice } from '../engine/tf/index.ts';
import { formatPercent } from '../core/format.ts';
import { mergeAdapter, type MergeOptions } from '../export/merge.ts';
import { weightFiles } from '../io/weights.ts';
import { verifyMerge } from '../export/verify-merge.ts';
import { describeFile, describeFiles, type FileRecord, writeManifest } from '../io/manifest.ts';
import { provenance } from '../io/provenance.ts';
import { openCheckpoint } from '../model/checkpoint.ts';
import type { CheckpointDtype } from '../model/config.ts';
import { checkTrainedOn } from '../model/trained-on.ts';

export interface MergeCommandOptions {
  config: LoadedConfig;
  /** Folders, absolute, in place of those that follow from the config. */
  base?: string;
  adapter?: string;
  out?: string;
  dtype?: CheckpointDtype;
  engine?: EngineChoice;
  threads?: number;
}

/** At most this often is progress told, in milliseconds. */
const TELL_EVERY_MS = 100;

/** `merge`: the adapter into the base, as a checkpoint of its own. */
export async function run(options: MergeCommandOptions, context: CommandContext): Promise<CommandResult> {
  const { config } = options;
  const base = options.base ?? config.baseModel();
  const adapter = options.adapter ?? config.artifact('adapter');
  const out = options.out ?? config.artifact('merged');
  const shown = (path: string) => displayPath(path, context.cwd);
  requireAdapter(adapter, config);
  context.emit({ type: 'start', command: 'merge', message: `merging ${shown(adapter)} into ${shown(base)}` });
  // A broken base is told first, and the wrong one before work is spent on it.
  openCheckpoint(base).close();
  const inputs = inputFiles(base, adapter);
  checkTrainedOn(adapter, () => inputs);

  let told = 0;
  const merge: MergeOptions = {
    base,
    adapter,
    out,
    tokenizer: tokenizerFolder(options, base, adapter),
    signal: context.signal,
    verify: (folders) => verify(folders, options),
    onTensor: (current, total) => {
      if (Date.now() - told < TELL_EVERY_MS && current < total) return;
      told = Date.now();
      context.emit({ type: 'step', stage: 'merge', current, total, unit: 'tensors' });
    },
    finish: async (dir, report) => {
      writeManifest(dir, {
        command: 'merge',
        config: { base, adapter, dtype: options.dtype ?? null },
        inputs,
        outputs: await describeFiles(dir),
        seed: config.config.seed,
        ...provenance(config.resolvePath('.')),
        extra: { ...report, verification: report.verification ?? null },
      });
    },
    ...(options.dtype === undefined ? {} : { dtype: options.dtype }),
  };
  const report = await mergeAdapter(merge);
  context.emit({ type: 'artifact', kind: 'merged', path: out });
  const lost = report.roundingOverUpdate;
  const largest = report.verification?.['max_logit_difference'];
  const checked = typeof largest === 'number' ? `; logits differ by at most ${largest.toPrecision(2)}` : '';
  const rounding = lost > 0 ? `; storing it rounds away ${formatPercent(lost)} of the update` : '';
  const data: { [key: string]: Json } = { out, ...report, verification: report.verification ?? null };
  return { ok: true, summary: `merged ${report.mergedModules} layers into ${shown(out)}${rounding}${checked}`, data };
}

/** In fp32, so that what is compared is the merge and not the products' rounding. */
async function verify(
  folders: { base: string; adapter: string; merged: string },
  { engine: choice = 'auto', threads }: MergeCommandOptions,
): Promise<{ [key: string]: Json }> {
  const engine = await chooseEngine({ engine: choice, bf16: false, ...(threads === undefined ? {} : { threads }) });
  try {
    return { ...verifyMerge(engine, folders), engine: engine.description };
  } finally {
    engine.dispose();
  }
}

function requireAdapter(adapter: string, config: LoadedConfig): void {
  if (existsSync(adapter)) return;
  throw new LlmkitError('io', 'there is no adapter to merge', {
    where: adapter,
    hint: `llmkit finetune --lora -c ${displayPath(config.path)}`,
  });
}

/** The tokenizer that training used: the adapter's own, the config's, or the base's. */
function tokenizerFolder({ config }: MergeCommandOptions, base: string, adapter: string): string {
  if (existsSync(join(adapter, 'tokenizer.json'))) return adapter;
  const { tokenizer } = config.config.model;
  return tokenizer === undefined ? base : config.resolvePath(tokenizer);
}

function inputFiles(base: string, adapter: string): FileRecord[] {
  const baseFiles = ['config.json', ...weightFiles(base)].map((name) => join(base, name));
  const adapterFiles = ['adapter_config.json', 'adapter_model.safetensors'].map((name) => join(adapter, name));
  return [...baseFiles, ...adapterFiles].map(describeFile);
}
