import type { TfEngine } from '../engine/tf/index.ts';
import { embeddingWeights } from './adamw.ts';
import { weightsOf } from './programs.ts';
import type { ProgramOptions } from './programs.ts';
import type { TrainingRunOptions } from './run.ts';
import { Trainer } from './trainer.ts';

/** What is settled when the machine is known. */
export interface RunMode {
  precision: 'fp32' | 'bf16';
  memory: 'none' | 'layer';
}

/** What the options of a run say of its model, its method and its loss. */
export type ModelOptions = Pick<TrainingRunOptions, 'spec' | 'lora' | 'trains' | 'zLoss' | 'config'>;

/** What the graphs of a run have in common. */
export function programOptions(options: ModelOptions, { precision, memory }: RunMode): ProgramOptions {
  const { spec, lora, trains, zLoss, config } = options;
  return {
    spec,
    lora,
    trains,
    matrixDType: precision === 'bf16' ? 'bf16' : 'f32',
    memory,
    accumulate: config.gradient_accumulation_steps > 1,
    objective: {
      labelSmoothing: config.label_smoothing_factor,
      zLoss: zLoss ?? 0,
      neftuneAlpha: config.neftune_noise_alpha ?? 0,
    },
  };
}

/** The weights and graphs of a run, on an engine. */
export function makeTrainer(engine: TfEngine, options: TrainingRunOptions, mode: RunMode): Trainer {
  const { config, spec, source, train } = options;
  const program = programOptions(options, mode);
  return new Trainer({
    engine,
    ...program,
    source,
    initial: options.initial(weightsOf(program)),
    adamw: {
      beta1: config.adam_beta1,
      beta2: config.adam_beta2,
      epsilon: config.adam_epsilon,
      weightDecay: config.weight_decay,
      noDecay: config.decay_embeddings ? [] : embeddingWeights(spec),
      maxGradNorm: config.max_grad_norm,
    },
    batch: config.per_device_train_batch_size,
    accumulation: config.gradient_accumulation_steps,
    maxLength: train.maxLength,
    seed: config.seed,
  });
}
