import { z } from 'zod';
import { fileOrFolder, fraction, positiveInt } from './common.ts';
import { sourceSchema } from './prepare.ts';

const taskName = z
  .string()
  .regex(/^[\w-]+$/, { error: 'expected letters, digits, _ and -' })
  .optional()
  .describe('Its name in results and gates; the type when not given.');
const maxRows = positiveInt.optional().describe('Use at most this many rows, the first ones.');
const chat = z
  .boolean()
  .optional()
  .describe('Ask through the chat template; when not given: where the rows are conversations.');

const source = sourceSchema.shape;

const perplexityTask = z.strictObject({
  type: z.literal('perplexity'),
  name: taskName,
  path: fileOrFolder
    .optional()
    .describe('Rows to score, of any kind that prepare reads; the validation rows of prepared/ when not given.'),
  format: source.format,
  row_type: source.type,
  sample_by: source.sample_by,
  columns: source.columns,
  prompt_template: source.prompt_template,
  window: z
    .int()
    .min(2)
    .default(2048)
    .describe('Tokens of a window in the GPTQ protocol; at most what the model reads. Text only.'),
  max_rows: maxRows,
});

const multipleChoiceTask = z.strictObject({
  type: z.literal('multiple_choice'),
  name: taskName,
  path: fileOrFolder,
  prompt_column: z.string().min(1).default('prompt'),
  choices_column: z.string().min(1).default('choices').describe('A list of texts.'),
  answer_column: z.string().min(1).default('answer').describe('The right choice: its index from 0, or its text.'),
  target_delimiter: z.string().default(' ').describe('Between prompt and choice, outside of a chat.'),
  chat,
  max_rows: maxRows,
});

const intentsTask = z.strictObject({
  type: z.literal('intents'),
  name: taskName,
  path: fileOrFolder,
  prompt_column: z.string().min(1).default('prompt').describe('Not used where the rows have messages.'),
  intent_column: z.string().min(1).default('intent'),
  target: z
    .string()
    .includes('{intent}', { error: 'expected a text with {intent} in it' })
    .default('{intent}')
    .describe('What the model is to answer, e.g. "[{intent}]".'),
  target_delimiter: z.string().default(' ').describe('Between prompt and target, outside of a chat.'),
  chat,
  max_rows: maxRows,
});

const taskSchema = z
  .union([z.literal('perplexity'), z.discriminatedUnion('type', [perplexityTask, multipleChoiceTask, intentsTask])])
  .transform((task) => (task === 'perplexity' ? perplexityTask.parse({ type: 'perplexity' }) : task));

const gateSchema = z
  .strictObject({
    min: z.number().optional(),
    max: z.number().optional(),
    max_regression: fraction
      .optional()
      .describe(
        'How much worse than the baseline is allowed, 0.005 or 0.5%: of perplexity or bits (the upper 95% bound), or points of accuracy.',
      ),
  })
  .refine((gate) => Object.values(gate).some((bound) => bound !== undefined), {
    error: 'a gate needs min, max or max_regression',
  });

export const evalSchema = z.strictObject({
  tasks: z
    .array(taskSchema)
    .min(1)
    .default([perplexityTask.parse({ type: 'perplexity' })]),
  gates: z
    .record(z.string().min(1), gateSchema)
    .default({})
    .describe('Bounds by metric, task or task.metric; outside of them, or not measured, makes exit code 1.'),
  baseline: fileOrFolder
    .optional()
    .describe(
      'What max_regression compares with: a file or folder that llmkit eval wrote. --update-baseline writes it.',
    ),
});

export const evalPaths = ['tasks.*.path', 'baseline'];

export type EvalConfig = z.output<typeof evalSchema>;
export type EvalTask = EvalConfig['tasks'][number];
export type GateConfig = z.output<typeof gateSchema>;
