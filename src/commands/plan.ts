import { join } from 'node:path';
import { displayPath, type LoadedConfig } from '../config/index.ts';
import { LlmkitError } from '../core/errors.ts';
import type { CommandContext, CommandResult, Json } from '../core/events.ts';
import { formatBytes, formatCount, formatDuration } from '../core/format.ts';
import { describeFile } from '../io/manifest.ts';
import { weightFiles } from '../io/weights.ts';
import { openCheckpoint } from '../model/checkpoint.ts';
import { initWeights } from '../model/init.ts';
import { loadTokenizer } from '../tokenizer/index.ts';
import { planTraining, type TrainingPlan } from '../train/estimate-plan.ts';
import { recordPlan } from '../train/estimate-record.ts';
import type { TrainingRunOptions } from '../train/run.ts';
import { chooseMethod, type MethodFlags, withFlags } from './finetune-method.ts';
import { memoryTable, planTable, shapeTable } from './plan/tables.ts';
import { specOf } from './pretrain.ts';
import { openTrainingData, runOptions } from './training.ts';
import type { TrainingCommandOptions, TrainingData } from './training.ts';

export interface PlanOptions extends TrainingCommandOptions, MethodFlags {
  /** finetune where the config names a base, else pretrain. */
  stage?: string;
}

/** `plan`: peak memory, steps, tokens and time of a run, before anything runs. */
export async function run(options: PlanOptions, context: CommandContext): Promise<CommandResult> {
  const { config } = options;
  const stage = stageOf(options);
  context.emit({ type: 'start', command: 'plan', message: `what ${stage} will take` });
  const plan = await (stage === 'finetune' ? planFinetune(options, context) : planPretrain(options, context));
  const section = stage === 'finetune' ? withFlags(config, options) : config.config.pretrain;
  recordPlan(config.artifact('reports', stage), section, plan);
  return report(stage, plan, config, context);
}

function stageOf({ stage, config }: PlanOptions): 'finetune' | 'pretrain' {
  if (stage === undefined) return config.config.model.name_or_path === undefined ? 'pretrain' : 'finetune';
  if (stage === 'finetune' || stage === 'pretrain') return stage;
  throw new LlmkitError('usage', 'there is no plan for this stage', { expected: 'finetune or pretrain', got: stage });
}

async function planFinetune(options: PlanOptions, context: CommandContext): Promise<TrainingPlan> {
  const { config } = options;
  const section = withFlags(config, options);
  const base = config.baseModel();
  const checkpoint = openCheckpoint(base);
  try {
    const { tokenizer } = config.config.model;
    const tokenizerDir = tokenizer === undefined ? base : config.resolvePath(tokenizer);
    const data = openTrainingData(config, { vocabSize: checkpoint.spec.vocabSize, tokenizerDir });
    try {
      // Hashing the base takes long; only an adapter to begin with asks for it.
      const files = section.init_adapter === undefined ? [] : ['config.json', ...weightFiles(base)];
      const records = files.map((name) => describeFile(join(base, name)));
      const { lora, trains, initial } = chooseMethod(section, checkpoint, records, context);
      const model = { spec: checkpoint.spec, source: checkpoint.weights, lora, trains, initial };
      return await planTraining({ stage: 'finetune', config: section, ...model, ...common(options, data) }, context);
    } finally {
      data.close();
    }
  } finally {
    checkpoint.close();
  }
}

async function planPretrain(options: PlanOptions, context: CommandContext): Promise<TrainingPlan> {
  const { config } = options;
  const section = config.config.pretrain;
  const data = openTrainingData(config, undefined);
  try {
    const spec = specOf(config, loadTokenizer(data.tokenizerFolder));
    const source = initWeights(spec, section.seed, { initializerRange: section.initializer_range });
    const initial = () => ({ get: (name: string) => source.readF32(name) });
    const model = { spec, source, lora: undefined, initial, zLoss: section.z_loss };
    return await planTraining({ stage: 'pretrain', config: section, ...model, ...common(options, data) }, context);
  } finally {
    data.close();
  }
}

type Common =
  | 'train'
  | 'validation'
  | 'engine'
  | 'threads'
  | 'resume'
  | 'maxMemoryBytes'
  | 'checkpointFolder'
  | 'fingerprint';

function common(options: PlanOptions, { train, validation }: TrainingData): Pick<TrainingRunOptions, Common> {
  return { train, validation, ...runOptions(options), resume: false, checkpointFolder: '', fingerprint: {} };
}

function report(stage: string, plan: TrainingPlan, config: LoadedConfig, context: CommandContext): CommandResult {
  const { peak, data, time } = plan;
  const total = formatBytes(peak.peakBytes);
  return {
    ok: true,
    summary: `${stage}: about ${total} of memory and ${formatDuration(time.seconds * 1000)} for ${formatCount(data.totalSteps)} steps`,
    tables: [planTable(plan), memoryTable(plan), shapeTable(plan)],
    data: { stage, ...(plan as unknown as { [key: string]: Json }) },
    next: `llmkit ${stage} -c ${displayPath(config.path, context.cwd)}`,
  };
}
