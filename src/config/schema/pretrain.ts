import { z } from 'zod';
import { positiveInt } from './common.ts';
import { trainingRules, trainingShape } from './training.ts';

/** A Llama-shaped model to make from nothing, by transformers' LlamaConfig names; vocab_size comes from the tokenizer. */
const architectureShape = {
  hidden_size: positiveInt.default(256),
  intermediate_size: positiveInt.default(704),
  num_hidden_layers: positiveInt.default(6),
  num_attention_heads: positiveInt.default(4),
  num_key_value_heads: positiveInt
    .optional()
    .describe('num_attention_heads when not given; fewer is grouped-query attention.'),
  max_position_embeddings: positiveInt.default(2048),
  rope_theta: z.number().positive().default(10_000),
  rms_norm_eps: z.number().positive().default(1e-5),
  tie_word_embeddings: z.boolean().default(true).describe('The head is the embedding, transposed.'),
  initializer_range: z.number().positive().default(0.02).describe('Standard deviation of the first weights.'),
};

export const pretrainSchema = z
  .strictObject({
    ...architectureShape,
    ...trainingShape({ learning_rate: 1e-3, weight_decay: 0.1, adam_beta2: 0.95 }),
    z_loss: z
      .number()
      .nonnegative()
      .default(0)
      .describe(
        'Weight of the squared logarithm of the softmax sum, in training only (PaLM has 1e-4); 0 turns it off.',
      ),
  })
  .superRefine(trainingRules)
  .superRefine((value, context) => {
    const kvHeads = value.num_key_value_heads ?? value.num_attention_heads;
    const rules: [key: keyof typeof value, multiple: number, of: string][] = [
      ['hidden_size', value.num_attention_heads * 2, 'twice num_attention_heads (rotary positions turn pairs)'],
      ['num_attention_heads', kvHeads, 'num_key_value_heads'],
    ];
    for (const [key, multiple, of] of rules) {
      const figure = value[key] as number;
      if (figure % multiple === 0) continue;
      context.addIssue({
        code: 'custom',
        path: [key],
        message: `${key} does not divide into heads`,
        params: { expected: `a multiple of ${of}, ${multiple}`, got: String(figure) },
      });
    }
  });
