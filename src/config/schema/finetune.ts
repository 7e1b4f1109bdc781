import { z } from 'zod';
import { fileOrFolder, nonNegativeInt, positiveInt } from './common.ts';
import { trainingRules, trainingShape } from './training.ts';

const names = z.array(z.string().min(1)).min(1);

export const loraSchema = z.strictObject({
  r: positiveInt.default(16).describe('Rank of the update.'),
  lora_alpha: z.number().positive().default(32).describe('The update is scaled by lora_alpha / r.'),
  lora_dropout: z.number().min(0).lt(1).default(0).describe('Share of the inputs to lora_A dropped while training.'),
  target_modules: z
    .union([z.string().min(1), names])
    .default('all-linear')
    .describe(
      'Which linear layers are adapted: all-linear, names such as [q_proj, v_proj], or an expression for paths.',
    ),
  exclude_modules: z
    .union([z.string().min(1), names])
    .optional()
    .describe('Left out of target_modules: names, or an expression for whole paths.'),
  layers_to_transform: z
    .array(nonNegativeInt)
    .min(1)
    .optional()
    .describe('Blocks, from 0, that the names of target_modules stand for; all when not given.'),
  layers_pattern: names.optional().describe("Expressions for the path before the block's number; seldom needed."),
  rank_pattern: z
    .record(z.string().min(1), positiveInt)
    .optional()
    .describe('Ranks of layers that differ, such as { down_proj: 32 }; keys are expressions for the end of a path.'),
  alpha_pattern: z
    .record(z.string().min(1), z.number().positive())
    .optional()
    .describe('lora_alpha of layers that differ, with keys as in rank_pattern.'),
  use_rslora: z.boolean().default(false).describe('Scale by lora_alpha / sqrt(r) instead (rank-stabilized LoRA).'),
  use_dora: z
    .boolean()
    .default(false)
    .describe('Train the length of each row of the adapted weight apart from its direction (DoRA).'),
  init_lora_weights: z
    .union([z.literal(true), z.literal('gaussian')])
    .default(true)
    .describe('How lora_A begins: true is Kaiming-uniform, as in PEFT; gaussian is normal with deviation 1 / r.'),
  bias: z
    .enum(['none', 'all', 'lora_only'])
    .default('none')
    .describe("Biases of the base that are trained too: all of them, or the adapted layers'."),
  modules_to_save: names
    .optional()
    .describe('Modules trained in full and kept in the adapter, such as [embed_tokens, lm_head].'),
  ensure_weight_tying: z
    .boolean()
    .default(false)
    .describe('With modules_to_save: embedding and head that are one matrix stay one.'),
});

export const freezeSchema = z.strictObject({
  trainable_layers: z
    .int()
    .refine((layers) => layers !== 0, { error: 'expected blocks to train: 2 for the last two, -2 for the first two' })
    .default(2)
    .describe('Blocks that are trained: the last so many, or the first when negative.'),
  extra_modules: names.optional().describe('Modules trained besides, such as [embed_tokens, lm_head].'),
});

export const finetuneSchema = z
  .strictObject({
    method: z
      .enum(['lora', 'full', 'freeze'])
      .default('lora')
      .describe('lora writes an adapter; full (every weight) and freeze (some blocks) write a checkpoint.'),
    lora: loraSchema.prefault({}),
    freeze: freezeSchema.prefault({}),
    init_adapter: fileOrFolder
      .optional()
      .describe('Folder of a PEFT adapter to begin with; its own settings hold instead of those under lora.'),
    save_dtype: z
      .enum(['auto', 'float32', 'bfloat16', 'float16'])
      .default('auto')
      .describe("What full and freeze store the checkpoint in; auto is the base's own."),
    ...trainingShape({ learning_rate: 2e-4, weight_decay: 0, adam_beta2: 0.999 }),
  })
  .superRefine(trainingRules);

/** Keys of finetune whose value is a path. */
export const finetunePaths = ['init_adapter'];

export type LoraConfig = z.output<typeof loraSchema>;
