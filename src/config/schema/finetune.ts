import { z } from 'zod';
import { positiveInt } from './common.ts';
import { trainingRules, trainingShape } from './training.ts';

export const loraSchema = z.strictObject({
  r: positiveInt.default(16).describe('Rank of the update.'),
  lora_alpha: z.number().positive().default(32).describe('The update is scaled by lora_alpha / r.'),
  lora_dropout: z.number().min(0).lt(1).default(0).describe('Share of the inputs to lora_A dropped while training.'),
  target_modules: z
    .union([z.literal('all-linear'), z.array(z.string().min(1)).min(1)])
    .default('all-linear')
    .describe('Which linear layers are adapted: all-linear, or names such as [q_proj, v_proj].'),
  use_rslora: z.boolean().default(false).describe('Scale by lora_alpha / sqrt(r) instead (rank-stabilized LoRA).'),
});

export const finetuneSchema = z
  .strictObject({
    lora: loraSchema.prefault({}),
    ...trainingShape({ learning_rate: 2e-4, weight_decay: 0, adam_beta2: 0.999 }),
  })
  .superRefine(trainingRules);

export type LoraConfig = z.output<typeof loraSchema>;
