import { z } from 'zod';
import { fileOrFolder, positiveInt } from './common.ts';

/** Which roles each type of row has; `columns` says under which name the file keeps a role. */
export const rolesOfType = {
  text: ['text'],
  messages: ['messages'],
  sharegpt: ['conversations', 'system'],
  alpaca: ['instruction', 'input', 'output', 'system'],
  'prompt-completion': ['prompt', 'completion', 'system'],
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
  system: columnName,
});

export const sourceSchema = z
  .strictObject({
    path: fileOrFolder.describe('A file, or a glob such as data/*.jsonl.'),
    format: z
      .enum(['auto', 'jsonl', 'txt', 'csv', 'parquet'])
      .default('auto')
      .describe('Of the file; auto goes by its name.'),
    type: z
      .enum(['auto', 'text', 'messages', 'sharegpt', 'alpaca', 'prompt-completion'])
      .default('auto')
      .describe('Of a row; auto looks at the first rows.'),
    sample_by: z
      .enum(['auto', 'line', 'paragraph', 'document'])
      .default('auto')
      .describe('What one row of a txt file is; auto: paragraphs where blank lines part them, else lines.'),
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

const cleanSchema = z.strictObject({
  unicode: z.enum(['nfc', 'nfkc', 'none']).default('nfc').describe('Unicode normalization form.'),
  control_chars: z.boolean().default(true).describe('Remove control and zero-width characters, save tab and newline.'),
  whitespace: z.boolean().default(true).describe('CRLF to LF, no trailing spaces, at most two newlines in a row.'),
});

const dedupSchema = z.strictObject({
  exact: z.boolean().default(true).describe('Drop rows whose cleaned text was seen before.'),
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
  dedup: dedupSchema.prefault({}),
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
    .enum(['answers', 'all'])
    .default('answers')
    .describe('Which tokens carry loss; plain text always carries it.'),
  malformed: z
    .enum(['error', 'skip'])
    .default('error')
    .describe('What to do with a row that cannot be read; skipped ones are counted.'),
});

export const preparePaths = ['sources.*.path', 'chat_template'];

export type PrepareConfig = z.output<typeof prepareSchema>;
export type SourceConfig = z.output<typeof sourceSchema>;
