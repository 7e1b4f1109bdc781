import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { displayPath, type LoadedConfig } from '../config/index.ts';
import type { CommandContext, CommandResult, Json } from '../core/events.ts';
import { weightFiles } from '../io/weights.ts';
import { withAtomicDir } from '../io/atomic.ts';
import { describeFile, describeFiles, writeManifest } from '../io/manifest.ts';
import { checkReplaceable } from '../io/replaceable.ts';
import { writeGenerationConfig } from '../model/generation-config.ts';
import { type Checkpoint, openCheckpoint } from '../model/checkpoint.ts';
import { copyTokenizer } from '../tokenizer/index.ts';
import { runTraining, type TrainingRunResult } from '../train/run.ts';
import { chooseMethod, DOING, outputOf, withFlags } from './finetune-method.ts';
import type { FinetuneSection as Section, MethodFlags } from './finetune-method.ts';
import { writeTrained } from './finetune-output.ts';
import { samplerOf } from './samples.ts';
import { describeRun, fingerprintOf, openTrainingData, runOptions, trainingTable } from './training.ts';
import type { TrainingCommandOptions, TrainingData } from './training.ts';

export type FinetuneOptions = TrainingCommandOptions & MethodFlags;

/**
 * `finetune`: trains low-rank adapters over the frozen base, written as PEFT writes them, or the base itself, whole or its
 * last blocks, written as a checkpoint.
 */
export async function run(options: FinetuneOptions, context: CommandContext): Promise<CommandResult> {
  const { config } = options;
  const section = withFlags(config, options);
  const base = config.baseModel();
  const inputs = [
    base,
    config.artifact('prepared'),
    ...(section.init_adapter === undefined ? [] : [section.init_adapter]),
  ];
  checkReplaceable(outputOf(config, section), inputs, 'finetune');
  const message = `${DOING[section.method]} ${displayPath(base, context.cwd)}`;
  context.emit({ type: 'start', command: 'finetune', message });
  const checkpoint = openCheckpoint(base);
  try {
    for (const note of checkpoint.notes) context.emit({ type: 'note', message: note });
    const { tokenizer } = config.config.model;
    const tokenizerDir = tokenizer === undefined ? base : config.resolvePath(tokenizer);
    const data = openTrainingData(config, { vocabSize: checkpoint.spec.vocabSize, tokenizerDir });
    try {
      return await train(checkpoint, data, section, options, context);
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
  section: Section,
  options: FinetuneOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { config } = options;
  const { spec } = checkpoint;
  const base = config.baseModel();
  const baseFiles = ['config.json', ...weightFiles(base)].map((name) => describeFile(join(base, name)));
  const method = chooseMethod(section, checkpoint, baseFiles, context);
  for (const note of method.notes) context.emit({ type: 'note', message: note });
  const hashes = (files: readonly { sha256: string }[]): string => files.map(({ sha256 }) => sha256).join(' ');
  // A path may be spelled in two ways; the adapter's bytes say which it is.
  const { init_adapter: _path, ...settings } = section;
  const result = await runTraining(
    {
      stage: 'finetune',
      config: section,
      spec,
      source: checkpoint.weights,
      lora: method.lora,
      trains: method.trains,
      initial: method.initial,
      train: data.train,
      validation: data.validation,
      ...runOptions(options),
      ...samplerOf({
        config: section,
        tokenizerFolder: data.tokenizerFolder,
        threads: options.threads,
        signal: context.signal,
        write: async (folder, trained) => {
          mkdirSync(folder);
          await writeTrained(folder, { checkpoint, base, section, method, trained, signal: context.signal });
          writeGenerationConfig(folder, spec, { base, stopTokenIds: data.stopTokenIds });
          return method.settings ? base : undefined;
        },
      }),
      checkpointFolder: config.artifact('checkpoints', 'finetune'),
      fingerprint: fingerprintOf(settings, data, {
        base: hashes(baseFiles),
        ...(method.inputs.length === 0 ? {} : { init_adapter: hashes(method.inputs) }),
      }),
    },
    context,
  );
  const out = outputOf(config, section);
  await withAtomicDir(out, async (folder) => {
    const { trained } = result;
    await writeTrained(folder, { checkpoint, base, section, method, trained, signal: context.signal });
    copyTokenizer(data.tokenizerFolder, folder);
    writeGenerationConfig(folder, spec, { base, stopTokenIds: data.stopTokenIds });
    writeManifest(folder, {
      command: 'finetune',
      config: section as unknown as Json,
      inputs: [...baseFiles, ...method.inputs, data.manifest],
      outputs: await describeFiles(folder),
      seed: section.seed,
      ...describeRun(result),
    });
  });
  return report(result, section, config, out, context);
}

function report(
  result: TrainingRunResult,
  { method }: Section,
  config: LoadedConfig,
  out: string,
  context: CommandContext,
): CommandResult {
  const kind = method === 'lora' ? 'adapter' : 'finetuned';
  context.emit({ type: 'artifact', kind, path: out });
  const { trained: _values, ...figures } = result;
  const file = displayPath(config.path, context.cwd);
  return {
    ok: true,
    summary: `${method === 'lora' ? 'adapter' : 'checkpoint'} in ${displayPath(out, context.cwd)}`,
    tables: [trainingTable(result)],
    data: { out, ...(figures as unknown as { [key: string]: Json }) },
    next: method === 'lora' ? `llmkit merge -c ${file}` : `llmkit eval -c ${file} --model finetuned`,
  };
}
