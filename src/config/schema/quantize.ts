import { z } from 'zod';
import { positiveInt } from './common.ts';

const calibrationSchema = z.strictObject({
  samples: positiveInt.default(128).describe('Rows of prepared/ that are run through the model.'),
  max_length: positiveInt.default(1024).describe('Tokens of each that are used.'),
  split: z.enum(['train', 'validation']).default('train'),
});

export const quantizeSchema = z
  .strictObject({
    scheme: z
      .enum(['w8a8', 'w8a16'])
      .default('w8a8')
      .describe(
        'w8a8: int8 weights per channel, int8 activations per token. w8a16: int8 weights per group, float activations.',
      ),
    method: z
      .enum(['gptq', 'rtn'])
      .default('gptq')
      .describe('gptq corrects each rounding in the columns still to come; rtn rounds to nearest, without data.'),
    group_size: z
      // What ONNX Runtime's MatMulNBits takes: other groups could be written and never run.
      .literal([16, 32, 64, 128, 256])
      .optional()
      .describe('w8a16 only: inputs that share a scale; 32 when not given.'),
    percdamp: z
      .number()
      .positive()
      .lt(1)
      .default(0.01)
      .describe('gptq: share of the mean diagonal added to the Hessian.'),
    block_size: positiveInt.default(128).describe('gptq: columns worked on at a time; a multiple of group_size.'),
    actorder: z
      .enum(['none', 'static'])
      .default('none')
      .describe('gptq: static quantizes the columns that matter most first.'),
    mse: z
      .boolean()
      .default(false)
      .describe('Look for the clipping that loses least instead of covering every weight.'),
    head: z
      .enum(['int8', 'keep'])
      .default('int8')
      .describe('The head (and the embedding tied to it): int8 per channel at inference, or left as it is.'),
    calibration: calibrationSchema.prefault({}),
  })
  .superRefine((value, context) => {
    if (value.scheme === 'w8a8' && value.group_size !== undefined) {
      context.addIssue({
        code: 'custom',
        path: ['group_size'],
        message: 'group_size has no meaning with scheme w8a8',
        params: { expected: 'scheme: w8a16, or no group_size', got: `group_size ${value.group_size}` },
      });
    }
    const groupSize = value.group_size ?? 32;
    if (value.scheme === 'w8a16' && value.method === 'gptq' && value.block_size % groupSize !== 0) {
      context.addIssue({
        code: 'custom',
        path: ['block_size'],
        message: 'block_size must hold whole groups',
        params: { expected: `a multiple of group_size, ${groupSize}`, got: `${value.block_size}` },
      });
    }
  });
