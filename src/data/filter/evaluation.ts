import type { SourceConfig } from '../../config/index.ts';
import { sourceSchema } from '../../config/schema/prepare.ts';
import { LlmkitError } from '../../core/errors.ts';
import type { ChatMessage } from '../../tokenizer/index.ts';
import { detectMapping, type RowMapping } from '../read/detect.ts';
import { mapRow } from '../read/map.ts';
import { readRecords } from '../read/shards.ts';
import { filesOfSource } from '../read/sources.ts';
import type { Example } from '../types.ts';

/** A file that the config names, resolved, and the place of the config that names it. */
export interface EvaluationFile {
  path: string;
  where: string;
}

/** One answer of an evaluation row, with what comes before it. */
export interface Answer {
  /** The row's place, `gsm8k_test.jsonl:12`. */
  row: string;
  before: string;
  answer: string;
}

/** Column names under which evaluation sets keep a question and its answer. */
const PAIRS = [
  ['question', 'answer'],
  ['problem', 'solution'],
  ['problem', 'answer'],
  ['prompt', 'answer'],
  ['prompt', 'response'],
  ['query', 'response'],
  ['question', 'response'],
  ['input', 'output'],
  ['input', 'target'],
  ['instruction', 'response'],
  ['text', 'label'],
  ['text', 'category'],
  ['text', 'intent'],
] as const;

/**
 * The answers of evaluation files, of every type and format that training rows can have; question and answer columns are
 * recognized by their names.
 *
 * @throws LlmkitError('data') for a malformed row (rows that are not looked at could be leaked) and for columns that do
 * not say which is the answer; ('io') for files that cannot be read.
 */
export async function* readAnswers(file: EvaluationFile): AsyncGenerator<Answer> {
  const source = sourceSchema.parse({ path: file.path });
  for (const found of await filesOfSource(file.path, source, file.where)) {
    let mapping: RowMapping | undefined;
    for await (const record of readRecords(found)) {
      if ('error' in record) throw record.error;
      mapping ??= mappingOf(source, record.value, record.where);
      for (const { before, answer } of answersOf(mapRow(record.value, mapping, record.where))) {
        yield { row: record.where, before, answer };
      }
    }
  }
}

function mappingOf(source: SourceConfig, first: unknown, where: string): RowMapping {
  try {
    return detectMapping(source, first, where);
  } catch (error) {
    if (!(error instanceof LlmkitError) || error.kind !== 'data') throw error;
    const row = first as Record<string, unknown>;
    const pair = PAIRS.find(([question, answer]) => question in row && answer in row);
    if (pair !== undefined) {
      const columns = { prompt: pair[0], completion: pair[1] };
      return detectMapping({ ...source, type: 'prompt-completion', columns }, first, where);
    }
    throw new LlmkitError('data', 'the columns do not say which is the answer that must not leak', {
      where,
      expected: `columns of a training row, or ${PAIRS.map((names) => names.join(' and ')).join(', ')}`,
      got: `columns ${Object.keys(row).join(', ') || '(none)'}`,
      hint: 'rename its columns to prompt and completion',
      cause: error,
    });
  }
}

function answersOf(example: Example): { before: string; answer: string }[] {
  switch (example.type) {
    case 'text':
      return [{ before: '', answer: example.text }];
    case 'prompt-completion':
      return [{ before: example.prompt, answer: example.completion }];
    case 'messages':
      return answersOfChat(example.messages);
    case 'preference': {
      const { prompt, chosen } = example;
      if (typeof chosen === 'string') return [{ before: joined(prompt), answer: chosen }];
      return answersOfChat([...(prompt as ChatMessage[]), ...chosen]);
    }
  }
}

function answersOfChat(messages: readonly ChatMessage[]): { before: string; answer: string }[] {
  return messages.flatMap(({ role, content }, i) =>
    // What was said before the question cannot be within the n-gram of a longer one.
    role === 'assistant' ? [{ before: joined(messages.slice(Math.max(0, i - 2), i)), answer: content }] : [],
  );
}

function joined(texts: string | readonly ChatMessage[]): string {
  return typeof texts === 'string' ? texts : texts.map(({ content }) => content).join('\n');
}
