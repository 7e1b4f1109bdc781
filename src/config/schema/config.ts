import { z } from 'zod';
import { fileOrFolder, seed } from './common.ts';
import { evalPaths, evalSchema } from './eval.ts';
import { finetunePaths, finetuneSchema } from './finetune.ts';
import { generateSchema } from './generate.ts';
import { modelPaths, modelSchema } from './model.ts';
import { preparePaths, prepareSchema } from './prepare.ts';
import { pretrainSchema } from './pretrain.ts';
import { quantizeSchema } from './quantize.ts';
import { warmup } from './training.ts';

/** A whole config file, after `extends` was followed. */
export const fileSchema = z.strictObject({
  version: z.literal(1).describe('Of this format.'),
  output_dir: fileOrFolder.describe(
    'Where prepared/, pretrained/, adapter/, finetuned/, merged/, quantized/ and eval/ go.',
  ),
  seed: seed.default(42).describe('Of everything random.'),
  model: modelSchema.prefault({}),
  prepare: prepareSchema.prefault({}),
  pretrain: pretrainSchema.prefault({}),
  finetune: finetuneSchema.prefault({}),
  quantize: quantizeSchema.prefault({}),
  eval: evalSchema.prefault({}),
  generate: generateSchema.prefault({}),
});

/** The config with every default filled in, those that follow from another key included. */
export const configSchema = fileSchema.transform((file) => ({
  ...file,
  pretrain: {
    ...file.pretrain,
    ...warmup(file.pretrain),
    num_key_value_heads: file.pretrain.num_key_value_heads ?? file.pretrain.num_attention_heads,
    seed: file.pretrain.seed ?? file.seed,
  },
  finetune: { ...file.finetune, ...warmup(file.finetune), seed: file.finetune.seed ?? file.seed },
  quantize: {
    ...file.quantize,
    group_size: file.quantize.scheme === 'w8a16' ? (file.quantize.group_size ?? 32) : undefined,
  },
  generate: { ...file.generate, seed: file.generate.seed ?? file.seed },
}));

export type Config = z.output<typeof configSchema>;
export type PretrainConfig = Config['pretrain'];
export type FinetuneConfig = Config['finetune'];
export type QuantizeConfig = Config['quantize'];
export type GenerateConfig = Config['generate'];
/** What pretrain and finetune share. */
export type TrainingConfig = Omit<FinetuneConfig, 'lora' | 'method' | 'freeze' | 'init_adapter' | 'save_dtype'>;

/** Keys whose value is a path relative to the file that wrote it; `*` stands for any index. */
export const pathKeys: readonly string[] = [
  'output_dir',
  ...modelPaths.map((key) => `model.${key}`),
  ...preparePaths.map((key) => `prepare.${key}`),
  ...finetunePaths.map((key) => `finetune.${key}`),
  ...evalPaths.map((key) => `eval.${key}`),
];

/** JSON Schema (draft 7, which YAML editors read) of a config file, `extends` included. */
export function jsonSchema(): object {
  const generated = z.toJSONSchema(fileSchema, { target: 'draft-7', io: 'input' });
  const { $schema, properties, ...rest } = generated;
  const extendsSchema = {
    description:
      'Config files this one builds on: a path, or several, the later winning. Maps merge key by key; {} leaves nothing of one.',
    anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }],
  };
  // A file that extends another may leave the required keys to it.
  const { required: _required, ...open } = rest;
  return { $schema, title: 'llmkit config', ...open, properties: { extends: extendsSchema, ...properties } };
}
