import { z } from 'zod';
import { nonNegativeInt, positiveInt, seed } from './common.ts';

export const generateSchema = z.strictObject({
  prompt: z.string().min(1).optional(),
  system: z.string().min(1).optional().describe('The system message of a chat.'),
  max_new_tokens: positiveInt.default(128),
  temperature: z.number().nonnegative().default(0.7).describe('0 always takes the likeliest token.'),
  top_k: nonNegativeInt.default(0).describe('Sample among this many likeliest tokens; 0 is all.'),
  top_p: z
    .number()
    .positive()
    .max(1)
    .default(1)
    .describe('Sample among the likeliest tokens that together have this probability.'),
  repetition_penalty: z
    .number()
    .positive()
    .default(1)
    .describe('Divides the scores of tokens already there (CTRL, Keskar et al. 2019).'),
  stop: z.array(z.string().min(1)).default([]).describe('Texts that end generation.'),
  seed: seed.optional().describe('The top-level seed when not given.'),
});
