import { join } from 'node:path';
import { displayPath, type LoadedConfig } from '../config/index.ts';
import { LlmkitError } from '../core/errors.ts';
import type { CommandContext, CommandResult, Json } from '../core/events.ts';
import { weightFiles } from '../io/weights.ts';
import { withAtomicDir } from '../io/atomic.ts';
import { describeFile, describeFiles, writeManifest } from '../io/manifest.ts';
import { checkReplaceable } from '../io/replaceable.ts';
import { writeAdapter } from '../model/adapter.ts';
import { writeGenerationConfig } from '../model/generation-config.ts';
import { type Checkpoint, openCheckpoint } from '../model/checkpoint.ts';
import { type LoraFactors, type LoraSettings, loraScale, resolveTargetModules, targetNames } from '../model/lora.ts';
import { copyTokenizer } from '../tokenizer/index.ts';
import { initLora } from '../train/weights.ts';
import { runTraining, type TrainingRunResult } from '../train/run.ts';
import { describeRun, fingerprintOf, openTrainingData, runOptions, trainingTable } from './training.ts';
import type { TrainingCommandOptions, TrainingData } from './training.ts';

export interface FinetuneOptions extends TrainingCommandOptions {
  /** The only method so far; the flag says so out loud. */
  lora?: boolean;
}

/** `finetune --lora`: trains low-rank adapters over the frozen base and writes them as PEFT does. */
export async function run(options: FinetuneOptions, context: CommandContext): Promise<CommandResult> {
  const { config } = options;
  const base = config.baseModel();
  checkReplaceable(config.artifact('adapter'), [base, config.artifact('prepared')], 'finetune');
  const message = `training a LoRA adapter for ${displayPath(base, context.cwd)}`;
  context.emit({ type: 'start', command: 'finetune', message });
  const checkpoint = openCheckpoint(base);
  try {
    for (const note of checkpoint.notes) context.emit({ type: 'note', message: note });
    const { tokenizer } = config.config.model;
    const tokenizerDir = tokenizer === undefined ? base : config.resolvePath(tokenizer);
    const data = openTrainingData(config, { vocabSize: checkpoint.spec.vocabSize, tokenizerDir });
    try {
      return await train(checkpoint, data, options, context);
    } finally {
      data.close();
    }
  } finally {
    checkpoint.close();
  }
}

async function train(
  checkpoint: Checkpoint,
  data: TrainingData,
  options: FinetuneOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { config } = options;
  const { spec } = checkpoint;
  const section = config.config.finetune;
  const base = config.baseModel();
  const out = config.artifact('adapter');
  const lora = loraSettings(section.lora, targetNames(spec, section.lora.target_modules));
  const targets = new Set(resolveTargetModules(spec, section.lora.target_modules).map(({ module }) => module));
  const baseFiles = ['config.json', ...weightFiles(base)].map((name) => describeFile(join(base, name)));
  const result = await runTraining(
    {
      stage: 'finetune',
      config: section,
      spec,
      source: checkpoint.weights,
      lora: {
        r: lora.r,
        scaling: loraScale(lora),
        dropout: lora.dropout,
        targets: (module) => targets.has(module),
      },
      initial: (weights) => initLora(weights, section.seed),
      train: data.train,
      validation: data.validation,
      ...runOptions(options),
      checkpointFolder: config.artifact('checkpoints', 'finetune'),
      fingerprint: fingerprintOf(section, data, { base: baseFiles.map(({ sha256 }) => sha256).join(' ') }),
    },
    context,
  );
  await withAtomicDir(out, async (folder) => {
    writeAdapter(folder, { spec, lora, factors: factorsOf(result.trained), baseModel: base });
    copyTokenizer(data.tokenizerFolder, folder);
    writeGenerationConfig(folder, spec, { base, stopTokenIds: data.stopTokenIds });
    writeManifest(folder, {
      command: 'finetune',
      config: section as unknown as Json,
      inputs: [...baseFiles, data.manifest],
      outputs: await describeFiles(folder),
      seed: section.seed,
      ...describeRun(result),
    });
  });
  return report(result, config, out, context);
}

function loraSettings(config: LoadedConfig['config']['finetune']['lora'], targetModules: string[]): LoraSettings {
  const { r, lora_alpha: alpha, lora_dropout: dropout, use_rslora: useRslora } = config;
  return { r, alpha, dropout, useRslora, targetModules };
}

function factorsOf(trained: ReadonlyMap<string, Float32Array>): Map<string, LoraFactors> {
  const factors = new Map<string, LoraFactors>();
  for (const [name, A] of trained) {
    if (!name.endsWith('.lora_A.weight')) continue;
    const module = name.slice(0, -'.lora_A.weight'.length);
    const B = trained.get(`${module}.lora_B.weight`);
    if (!B) throw new LlmkitError('bug', `${module} has lora_A without lora_B`);
    factors.set(module, { A, B });
  }
  return factors;
}

function report(result: TrainingRunResult, config: LoadedConfig, out: string, context: CommandContext): CommandResult {
  context.emit({ type: 'artifact', kind: 'adapter', path: out });
  const { trained: _values, ...figures } = result;
  return {
    ok: true,
    summary: `adapter in ${displayPath(out, context.cwd)}`,
    tables: [trainingTable(result)],
    data: { out, ...(figures as unknown as { [key: string]: Json }) },
    next: `llmkit merge -c ${displayPath(config.path, context.cwd)}`,
  };
}
