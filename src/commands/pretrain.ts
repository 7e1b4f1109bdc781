import { mkdirSync } from 'node:fs';
import { displayPath, type LoadedConfig } from '../config/index.ts';
import type { CommandContext, CommandResult, Json } from '../core/events.ts';
import { withAtomicDir } from '../io/atomic.ts';
import { describeFiles, writeManifest } from '../io/manifest.ts';
import { checkReplaceable } from '../io/replaceable.ts';
import { parseModelConfig } from '../model/config.ts';
import { writeGenerationConfig } from '../model/generation-config.ts';
import { initWeights } from '../model/init.ts';
import type { DecoderSpec } from '../model/spec.ts';
import { writeCheckpoint } from '../model/write-checkpoint.ts';
import { copyTokenizer, loadTokenizer, type Tokenizer } from '../tokenizer/index.ts';
import { runTraining } from '../train/run.ts';
import { samplerOf } from './samples.ts';
import { describeRun, fingerprintOf, openTrainingData, runOptions, trainingTable } from './training.ts';
import type { TrainingCommandOptions, TrainingData } from './training.ts';

/** `pretrain`: a Llama of the config's sizes from random weights, written as a checkpoint that transformers opens. */
export async function run(options: TrainingCommandOptions, context: CommandContext): Promise<CommandResult> {
  const { config } = options;
  checkReplaceable(config.artifact('pretrained'), [config.artifact('prepared')], 'pretrain');
  context.emit({
    type: 'start',
    command: 'pretrain',
    message: `training a model from scratch on ${displayPath(config.artifact('prepared'), context.cwd)}`,
  });
  const data = openTrainingData(config, undefined);
  try {
    return await train(data, options, context);
  } finally {
    data.close();
  }
}

async function train(
  data: TrainingData,
  options: TrainingCommandOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { config } = options;
  const section = config.config.pretrain;
  const out = config.artifact('pretrained');
  const tokenizer = loadTokenizer(data.tokenizerFolder);
  const spec = specOf(config, tokenizer);
  const source = initWeights(spec, section.seed, { initializerRange: section.initializer_range });
  const result = await runTraining(
    {
      stage: 'pretrain',
      config: section,
      spec,
      source,
      lora: undefined,
      initial: (weights) => new Map(weights.map(({ name }) => [name, source.readF32(name)])),
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
          writeCheckpoint(folder, spec, trained, { dtype: 'float32' });
          writeGenerationConfig(folder, spec, { stopTokenIds: data.stopTokenIds });
          return undefined;
        },
      }),
      checkpointFolder: config.artifact('checkpoints', 'pretrain'),
      fingerprint: fingerprintOf(section, data, {}),
      zLoss: section.z_loss,
    },
    context,
  );
  await withAtomicDir(out, async (folder) => {
    writeCheckpoint(folder, spec, result.trained, { dtype: 'float32', initializerRange: section.initializer_range });
    writeGenerationConfig(folder, spec, { stopTokenIds: data.stopTokenIds });
    copyTokenizer(data.tokenizerFolder, folder);
    writeManifest(folder, {
      command: 'pretrain',
      config: section as unknown as Json,
      inputs: [data.manifest],
      outputs: await describeFiles(folder),
      seed: section.seed,
      ...describeRun(result),
    });
  });
  context.emit({ type: 'artifact', kind: 'pretrained', path: out });
  const { trained: _values, ...figures } = result;
  return {
    ok: true,
    summary: `model in ${displayPath(out, context.cwd)}`,
    tables: [trainingTable(result)],
    data: { out, ...(figures as unknown as { [key: string]: Json }) },
    next: `llmkit generate -c ${displayPath(config.path, context.cwd)} --model ${displayPath(out, context.cwd)}`,
  };
}

/** The config's sizes as the config.json they will be written to; vocabulary and special tokens are the tokenizer's. */
export function specOf(config: LoadedConfig, tokenizer: Tokenizer): DecoderSpec {
  const sizes = config.config.pretrain;
  const raw = {
    model_type: 'llama',
    vocab_size: tokenizer.vocabSize,
    hidden_size: sizes.hidden_size,
    intermediate_size: sizes.intermediate_size,
    num_hidden_layers: sizes.num_hidden_layers,
    num_attention_heads: sizes.num_attention_heads,
    num_key_value_heads: sizes.num_key_value_heads,
    head_dim: sizes.hidden_size / sizes.num_attention_heads,
    hidden_act: 'silu',
    attention_bias: false,
    mlp_bias: false,
    max_position_embeddings: sizes.max_position_embeddings,
    rms_norm_eps: sizes.rms_norm_eps,
    rope_parameters: { rope_type: 'default', rope_theta: sizes.rope_theta },
    tie_word_embeddings: sizes.tie_word_embeddings,
    bos_token_id: tokenizer.bosTokenId ?? null,
    eos_token_id: tokenizer.eosTokenId ?? null,
    pad_token_id: tokenizer.padTokenId ?? null,
  };
  return parseModelConfig(raw, config.where('pretrain')).spec;
}
