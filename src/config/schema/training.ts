import { z } from 'zod';
import { nonNegativeInt, positiveInt, seed } from './common.ts';

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
      .enum(['cosine', 'linear', 'constant_with_warmup', 'constant'])
      .default('cosine')
      .describe('How the rate falls after warmup; constant has none of either, as in transformers.'),
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
    adam_beta1: z.number().min(0).lt(1).default(0.9),
    adam_beta2: z.number().min(0).lt(1).default(defaults.adam_beta2),
    adam_epsilon: z.number().positive().default(1e-8),
    max_grad_norm: z
      .number()
      .nonnegative()
      .default(1)
      .describe('Gradients are scaled down to this global norm; 0 turns it off.'),
    logging_steps: positiveInt.default(10),
    eval_steps: positiveInt.optional().describe('Validation loss every so many steps; always at the end.'),
    save_steps: positiveInt
      .optional()
      .describe('A checkpoint every so many steps; always at the end and on interruption.'),
    save_total_limit: positiveInt.default(2).describe('Checkpoints kept; the oldest goes first.'),
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

interface Warmup {
  lr_scheduler_type?: string;
  warmup_ratio?: number | undefined;
  warmup_steps?: number | undefined;
}

/** Rule: one of warmup_ratio and warmup_steps, and none where the schedule would ignore it. */
export function oneWarmup(value: Warmup, context: z.core.$RefinementCtx<Warmup>): void {
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
