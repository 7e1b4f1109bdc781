import { z } from 'zod';
import { fileOrFolder, positiveInt } from './common.ts';
import {
  cleanSchema,
  decontaminateSchema,
  dedupSchema,
  filtersSchema,
  keywordsSchema,
  languageSchema,
  piiSchema,
} from './prepare-text.ts';

/** Which roles each type of row has; `columns` says under which name the file keeps a role. */
export const rolesOfType = {
  text: ['text'],
  messages: ['messages', 'tools'],
  sharegpt: ['conversations', 'system', 'tools'],
  alpaca: ['instruction', 'input', 'output', 'system', 'history'],
  'prompt-completion': ['prompt', 'completion', 'system', 'tools'],
  // The prompt under its own name, or as LLaMA-Factory has it: the turns before, or an instruction and its input.
  preference: ['prompt', 'chosen', 'rejected', 'system', 'conversations', 'instruction', 'input'],
} as const satisfies Record<string, readonly string[]>;

export type RowType = keyof typeof rolesOfType;

const columnName = z.string().min(1).optional();

const columnsSchema = z.strictObject({
  text: columnName,
  messages: columnName,
  conversations: columnName,
  instruction: columnName,
  input: columnName,
  output: columnName,
  prompt: columnName,
  completion: columnName,
  chosen: columnName,
  rejected: columnName,
  system: columnName,
  tools: columnName,
  history: columnName,
});

export const sourceSchema = z
  .strictObject({
    path: fileOrFolder.describe('A file, a folder, or a glob such as data/**/*.jsonl.'),
    format: z
      .enum(['auto', 'jsonl', 'json', 'txt', 'csv', 'parquet', 'arrow', 'html'])
      .default('auto')
      .describe('Of the file, which may be packed (.gz, .zst); auto goes by its name.'),
    type: z
      .enum(['auto', 'text', 'messages', 'sharegpt', 'alpaca', 'prompt-completion', 'preference'])
      .default('auto')
      .describe('Of a row; auto looks at the first rows.'),
    sample_by: z
      .enum(['auto', 'line', 'paragraph', 'document'])
      .default('auto')
      .describe('What one row of a txt file is; auto: paragraphs where blank lines part them, else lines.'),
    weight: z
      .number()
      .positive()
      .default(1)
      .describe('How often its training rows are used: 2 is twice each, 0.5 is half of them, chosen by the seed.'),
    columns: columnsSchema
      .optional()
      .describe('Role: column of the file, e.g. { prompt: question, completion: answer }.'),
    prompt_template: z
      .string()
      .optional()
      .describe('Plain text around a prompt in place of the chat template; {prompt} and {system} stand for the row.'),
  })
  .superRefine((source, context) => {
    const given = Object.keys(source.columns ?? {});
    if (given.length === 0) return;
    const types = source.type === 'auto' ? (Object.keys(rolesOfType) as RowType[]) : [source.type];
    const fits = types.some((type) => given.every((role) => (rolesOfType[type] as readonly string[]).includes(role)));
    if (fits) return;
    context.addIssue({
      code: 'custom',
      path: ['columns'],
      message:
        source.type === 'auto'
          ? 'columns mix the roles of several row types'
          : `columns do not fit type ${source.type}`,
      params: {
        expected: types.map((type) => `${type}: ${rolesOfType[type].join(', ')}`).join('; '),
        got: given.join(', '),
      },
    });
  })
  .superRefine((source, context) => {
    if (source.prompt_template === undefined || source.prompt_template.includes('{prompt}')) return;
    context.addIssue({
      code: 'custom',
      path: ['prompt_template'],
      message: 'the prompt has no place in prompt_template',
      params: { expected: 'a text with {prompt} in it', got: JSON.stringify(source.prompt_template) },
    });
  });

const tokenizerFromModel = z.strictObject({
  from: z.literal('model').describe('Use the tokenizer of the model section.'),
});

const tokenizerToTrain = z.strictObject({
  type: z.literal('bpe').describe('Train a byte-level BPE on the prepared text.'),
  vocab_size: z.int().min(257).default(16_000).describe('Tokens in all: 256 bytes, merges and special tokens.'),
  pretokenizer: z
    .enum(['gpt2', 'llama3', 'qwen2'])
    .default('llama3')
    .describe('The pattern that splits text before merging.'),
  special_tokens: z
    .array(z.string().min(1))
    .default(['<|endoftext|>', '<|im_start|>', '<|im_end|>'])
    .describe('The first ends a document and pads.'),
  min_frequency: positiveInt.default(2).describe('A pair seen fewer times is not merged.'),
  max_token_length: z.int().min(2).optional().describe('Bytes that a token may have at most.'),
});

const splitSchema = z.strictObject({
  validation: z
    .number()
    .nonnegative()
    .default(0)
    .refine((value) => value < 1 || Number.isInteger(value), {
      error: 'expected a fraction below 1 or a whole number of rows',
    })
    .describe('Rows held out: a fraction of all (0.02) or a number of rows (200).'),
});

export const prepareSchema = z.strictObject({
  sources: z.array(sourceSchema).default([]).describe('Where the rows come from, read in this order.'),
  clean: cleanSchema.prefault({}),
  pii: piiSchema,
  keywords: keywordsSchema,
  language: languageSchema,
  filters: filtersSchema.prefault({}),
  dedup: dedupSchema.prefault({}),
  decontaminate: decontaminateSchema,
  tokenizer: z.union([tokenizerFromModel, tokenizerToTrain]).default({ from: 'model' }),
  chat_template: z
    .string()
    .min(1)
    .optional()
    .describe('A .jinja file, or the template itself, in place of the tokenizer’s.'),
  split: splitSchema.prefault({}),
  max_length: positiveInt.default(1024).describe('Tokens in a row.'),
  overlength: z
    .enum(['error', 'drop', 'truncate', 'split'])
    .default('error')
    .describe('What to do with an example longer than max_length; counted in the report.'),
  packing: z
    .enum(['best_fit', 'none'])
    .default('best_fit')
    .describe('Put several examples in a row; attention stays within each.'),
  train_on: z
    .enum(['answers', 'last', 'all'])
    .default('answers')
    .describe(
      'Which tokens carry loss: every answer, the last answer, everything. A turn with train: false (or weight: 0) carries none; plain text always does.',
    ),
  preference: z
    .enum(['pairs', 'chosen'])
    .default('pairs')
    .describe('Preference rows become pairs to align with, or train on the chosen answer alone.'),
  malformed: z
    .enum(['error', 'skip'])
    .default('error')
    .describe('What to do with a row that cannot be read; skipped ones are counted.'),
  explain: z.boolean().default(false).describe('Write every dropped row to explain/, with the rule and the value.'),
  threads: positiveInt.optional().describe('Worker threads; as many as there are cores when not given.'),
});

export const preparePaths = ['sources.*.path', 'chat_template', 'keywords.*', 'decontaminate.against.*'];

export type PrepareConfig = z.output<typeof prepareSchema>;
export type SourceConfig = z.output<typeof sourceSchema>;
