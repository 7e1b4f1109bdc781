import { z } from 'zod';
import { fileOrFolder, fraction, positiveInt } from './common.ts';

const taskName = z.string().min(1).optional().describe('Its name in results and gates; the type when not given.');
const maxRows = positiveInt.optional().describe('Use at most this many rows.');

const perplexityTask = z.strictObject({
  type: z.literal('perplexity'),
  name: taskName,
  path: fileOrFolder.optional().describe('Text to score; the validation rows of prepared/ when not given.'),
  text_column: z.string().min(1).default('text'),
  max_rows: maxRows,
});

const multipleChoiceTask = z.strictObject({
  type: z.literal('multiple_choice'),
  name: taskName,
  path: fileOrFolder,
  prompt_column: z.string().min(1).default('prompt'),
  choices_column: z.string().min(1).default('choices'),
  answer_column: z.string().min(1).default('answer'),
  max_rows: maxRows,
});

const intentsTask = z.strictObject({
  type: z.literal('intents'),
  name: taskName,
  path: fileOrFolder,
  prompt_column: z.string().min(1).default('prompt'),
  intent_column: z.string().min(1).default('intent'),
  max_rows: maxRows,
});

const taskSchema = z.union([
  z.literal('perplexity'),
  z.discriminatedUnion('type', [perplexityTask, multipleChoiceTask, intentsTask]),
]);

const gateSchema = z.strictObject({
  min: z.number().optional(),
  max: z.number().optional(),
  max_regression: fraction.optional().describe('How much worse than the baseline is allowed: 0.005 or 0.5%.'),
});

export const evalSchema = z.strictObject({
  tasks: z.array(taskSchema).min(1).default(['perplexity']),
  gates: z
    .record(z.string().min(1), gateSchema)
    .default({})
    .describe('Metric: bounds; a metric outside them makes exit code 1.'),
  baseline: fileOrFolder.optional().describe('A results.json to compare with.'),
});

export const evalPaths = ['tasks.*.path', 'baseline'];

export type EvalConfig = z.output<typeof evalSchema>;
export type EvalTask = Exclude<EvalConfig['tasks'][number], string>;
export type GateConfig = z.output<typeof gateSchema>;
