import { z } from 'zod';
import { nonNegativeInt, positiveInt, seed } from './common.ts';
import { scheduleRule, schedulerKwargs, scheduleTypes } from './schedule.ts';

interface TrainingDefaults {
  learning_rate: number;
  weight_decay: number;
  adam_beta2: number;
}

/** The fields that pretrain and finetune share, by transformers' TrainingArguments names. */
export function trainingShape(defaults: TrainingDefaults) {
  return {
    learning_rate: z.number().positive().default(defaults.learning_rate).describe('Peak learning rate.'),
    num_train_epochs: z.number().positive().default(1),
    max_steps: positiveInt.optional().describe('Stop after this many optimizer steps, whatever num_train_epochs says.'),
    per_device_train_batch_size: positiveInt.default(4).describe('Rows in one forward and backward pass.'),
    gradient_accumulation_steps: positiveInt.default(1).describe('Passes in one optimizer step.'),
    lr_scheduler_type: z
      .enum(scheduleTypes)
      .default('cosine')
      .describe('How the rate falls after warmup; constant has none of either, as in transformers.'),
    lr_scheduler_kwargs: schedulerKwargs.prefault({}),
    warmup_ratio: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe('Share of the steps that warm up; 0.03 when neither is given.'),
    warmup_steps: nonNegativeInt.optional().describe('Steps that warm up, instead of warmup_ratio.'),
    weight_decay: z
      .number()
      .nonnegative()
      .default(defaults.weight_decay)
      .describe('AdamW, decoupled; not on norms and biases.'),
    decay_embeddings: z
      .boolean()
      .default(true)
      .describe('Whether weight decay goes onto trained embeddings, too, as in transformers.'),
    adam_beta1: z.number().min(0).lt(1).default(0.9),
    adam_beta2: z.number().min(0).lt(1).default(defaults.adam_beta2),
    adam_epsilon: z.number().positive().default(1e-8),
    max_grad_norm: z
      .number()
      .nonnegative()
      .default(1)
      .describe('Gradients are scaled down to this global norm; 0 turns it off.'),
    label_smoothing_factor: z
      .number()
      .min(0)
      .lt(1)
      .default(0)
      .describe('Share of each target spread over the vocabulary, in training only.'),
    neftune_noise_alpha: z
      .number()
      .positive()
      .optional()
      .describe('Uniform noise on the embeddings, in training only (NEFTune): 5 is usual.'),
    loss_spike_factor: z
      .number()
      .gt(1)
      .optional()
      .describe(
        'Stop where a step has this many times the mean loss of the 20 before it; NaN and infinity always stop.',
      ),
    logging_steps: positiveInt.default(10),
    report_to: z
      .enum(['tensorboard', 'none'])
      .default('tensorboard')
      .describe('Event files for TensorBoard in output_dir/tensorboard, beside events.jsonl and the report.'),
    eval_steps: positiveInt.optional().describe('Validation loss every so many steps; always at the end.'),
    sample_prompts: z
      .array(z.string().min(1))
      .default([])
      .describe('Prompts that the model answers at every validation, always with the likeliest token; see the report.'),
    sample_max_new_tokens: positiveInt.default(64).describe('Of an answer to one of sample_prompts.'),
    save_steps: positiveInt
      .optional()
      .describe('A checkpoint every so many steps; always at the end and on interruption.'),
    save_total_limit: positiveInt.default(2).describe('Checkpoints kept; the oldest goes first, the best stays.'),
    load_best_model_at_end: z
      .boolean()
      .default(false)
      .describe('End with the weights of the lowest validation loss; needs eval_steps.'),
    early_stopping_patience: positiveInt
      .optional()
      .describe('Stop after this many validations without a lower loss; needs eval_steps.'),
    early_stopping_threshold: z
      .number()
      .nonnegative()
      .default(0)
      .describe('By how much a validation loss must be lower to count.'),
    group_by_length: z
      .boolean()
      .default(false)
      .describe('Rows of like length in one batch: less padding where rows are not packed.'),
    seed: seed.optional().describe('The top-level seed when not given.'),
    precision: z
      .enum(['auto', 'fp32', 'bf16'])
      .default('auto')
      .describe('Of the frozen weights and matmuls; accumulation stays fp32.'),
    memory: z
      .enum(['auto', 'none', 'layer'])
      .default('auto')
      .describe('What the backward pass computes again instead of keeping.'),
  };
}

interface Watched {
  eval_steps?: number | undefined;
  load_best_model_at_end: boolean;
  early_stopping_patience?: number | undefined;
}

/** Rule: whoever wants the best of several validations must have them. */
function validationRule(value: Watched, context: z.core.$RefinementCtx<Watched>): void {
  if (value.eval_steps !== undefined) return;
  const wants = value.early_stopping_patience !== undefined ? 'early_stopping_patience' : 'load_best_model_at_end';
  if (value.early_stopping_patience === undefined && !value.load_best_model_at_end) return;
  context.addIssue({
    code: 'custom',
    input: value,
    path: [wants],
    message: `${wants} needs a validation now and then`,
    params: { expected: 'eval_steps: 100, say', got: 'no eval_steps' },
  });
}

type Ruled = Warmup & Watched & Parameters<typeof scheduleRule>[0];

/** What must hold between the keys of a training section. */
export function trainingRules(value: Ruled, context: z.core.$RefinementCtx<Ruled>): void {
  oneWarmup(value, context as z.core.$RefinementCtx<Warmup>);
  scheduleRule(value, context as Parameters<typeof scheduleRule>[1]);
  validationRule(value, context as z.core.$RefinementCtx<Watched>);
}

interface Warmup {
  lr_scheduler_type?: string;
  warmup_ratio?: number | undefined;
  warmup_steps?: number | undefined;
}

/** Rule: one of warmup_ratio and warmup_steps, and none where the schedule would ignore it. */
function oneWarmup(value: Warmup, context: z.core.$RefinementCtx<Warmup>): void {
  const given = (['warmup_ratio', 'warmup_steps'] as const).find((key) => (value[key] ?? 0) > 0);
  if (value.lr_scheduler_type === 'constant' && given !== undefined) {
    context.addIssue({
      code: 'custom',
      input: value,
      path: ['lr_scheduler_type'],
      message: 'the constant schedule has no warmup',
      params: { expected: `constant_with_warmup, or no ${given}`, got: `constant and ${given} ${value[given]}` },
    });
  }
  if (value.warmup_ratio === undefined || value.warmup_steps === undefined) return;
  context.addIssue({
    code: 'custom',
    input: value,
    path: ['warmup_steps'],
    message: 'warmup_steps and warmup_ratio are both given',
    params: {
      expected: 'one of them',
      got: `warmup_ratio ${value.warmup_ratio} and warmup_steps ${value.warmup_steps}`,
    },
  });
}

/** warmup_steps wins when given; otherwise warmup_ratio, 0.03 by default, of the steps that will be taken. */
export function warmup(value: Warmup): { warmup_ratio: number; warmup_steps: number | undefined } {
  return {
    warmup_ratio: value.warmup_steps === undefined ? (value.warmup_ratio ?? 0.03) : 0,
    warmup_steps: value.warmup_steps,
  };
}
