import type { EvalTask } from '../config/index.ts';
import { LlmkitError } from '../core/errors.ts';
import type { Json } from '../core/events.ts';
import type { ChatMessage, Tokenizer } from '../tokenizer/index.ts';
import type { ChoiceDocument } from './choices.ts';
import type { HarnessEncoder } from './encode.ts';
import { cell, type FileRow, textColumn, wrong } from './rows.ts';

type MultipleChoice = Extract<EvalTask, { type: 'multiple_choice' }>;
type Intents = Extract<EvalTask, { type: 'intents' }>;

/** What a question is made of, before it is tokens. */
interface Question {
  row: FileRow;
  /** The prompt, or the conversation up to the answer. */
  prompt: string | ChatMessage[];
  choices: string[];
  gold: number;
}

/** Rows with a prompt, a list of choices, and which is right. */
export function multipleChoiceDocuments(
  task: MultipleChoice,
  rows: readonly FileRow[],
  tokenizer: Tokenizer,
  encoder: HarnessEncoder,
): ChoiceDocument[] {
  return rows.map((row) => {
    const choices = choiceList(row, task.choices_column);
    const gold = goldIndex(row, task.answer_column, choices);
    const question = { row, prompt: promptOf(row, task.prompt_column), choices, gold };
    return toDocument(question, task, tokenizer, encoder);
  });
}

/** Every row is asked to be one of the intents that occur in the file, in alphabetical order. */
export function intentDocuments(
  task: Intents,
  rows: readonly FileRow[],
  labels: readonly string[],
  tokenizer: Tokenizer,
  encoder: HarnessEncoder,
): ChoiceDocument[] {
  const choices = labels.map((label) => task.target.replaceAll('{intent}', label));
  return rows.map((row) => {
    const gold = labels.indexOf(textColumn(row, task.intent_column));
    return toDocument({ row, prompt: promptOf(row, task.prompt_column), choices, gold }, task, tokenizer, encoder);
  });
}

/** The intents of a file, sorted by code unit so that their order depends on nothing else. */
export function intentLabels(task: Intents, rows: readonly FileRow[]): string[] {
  const labels = [...new Set(rows.map((row) => labelOf(row, task.intent_column)))].sort();
  if (labels.length >= 2) return labels;
  throw new LlmkitError('data', 'there is nothing to choose between', {
    where: rows[0]?.where ?? task.path,
    expected: 'two intents or more',
    got: labels.join(', '),
  });
}

function labelOf(row: FileRow, column: string): string {
  const label = textColumn(row, column);
  if (label.trim() === '') throw wrong(row, column, 'an intent', label);
  return label;
}

function choiceList(row: FileRow, column: string): string[] {
  const value = cell(row, column);
  const valid =
    Array.isArray(value) && value.length >= 2 && value.every((item) => typeof item === 'string' && item !== '');
  if (!valid) throw wrong(row, column, 'a list of two texts or more', value);
  return value as string[];
}

function goldIndex(row: FileRow, column: string, choices: readonly string[]): number {
  const value = cell(row, column);
  const index = typeof value === 'number' || typeof value === 'bigint' ? Number(value) : choices.indexOf(String(value));
  if (Number.isInteger(index) && index >= 0 && index < choices.length) return index;
  throw wrong(row, column, `an index from 0 to ${choices.length - 1}, or one of the choices`, value);
}

/** A row's messages up to the assistant's last turn, or its prompt. */
function promptOf(row: FileRow, column: string): string | ChatMessage[] {
  const { messages } = row.value as { messages?: unknown };
  if (messages === undefined) return textColumn(row, column);
  const valid =
    Array.isArray(messages) &&
    messages.every(
      (turn: Partial<ChatMessage> | null) => typeof turn?.role === 'string' && typeof turn.content === 'string',
    );
  if (!valid) throw wrong(row, 'messages', 'a list of { role, content }', messages);
  const turns = messages as ChatMessage[];
  const kept = turns.at(-1)?.role === 'assistant' ? turns.slice(0, -1) : turns;
  if (kept.length === 0) throw wrong(row, 'messages', 'something to answer', messages);
  return kept;
}

/**
 * In a chat the context ends where generation begins, and the choice is encoded by itself, as an answer is in training and
 * generation. Otherwise context and choice are split as lm-eval does.
 */
function toDocument(
  { row, prompt, choices, gold }: Question,
  task: MultipleChoice | Intents,
  tokenizer: Tokenizer,
  encoder: HarnessEncoder,
): ChoiceDocument {
  // Integers of Parquet come as bigint, which JSON has not.
  const doc = JSON.parse(
    JSON.stringify(row.value, (_, item: unknown) => (typeof item === 'bigint' ? Number(item) : item)),
  ) as Json;
  if (typeof prompt === 'string' && task.chat !== true) {
    const pairs = choices.map((choice) => encoder.pair(prompt, `${task.target_delimiter}${choice}`));
    return scorable({ doc, prompt, choices, pairs, gold }, row);
  }
  if (task.chat === false) throw wrong(row, 'messages', 'chat: true, or a prompt column', 'messages');
  if (tokenizer.chatTemplate === undefined) {
    throw new LlmkitError('data', 'the task asks in a chat, and the tokenizer has no chat template', {
      where: row.where,
      hint: 'set chat: false and name a prompt_column, or evaluate a model that was tuned for chats',
    });
  }
  const messages = typeof prompt === 'string' ? [{ role: 'user', content: prompt }] : prompt;
  const text = tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true });
  const context = tokenizer.encode(text, { addSpecialTokens: false });
  const pairs = choices.map((choice) => ({
    context,
    continuation: tokenizer.encode(choice, { addSpecialTokens: false }),
  }));
  return scorable({ doc, prompt: text, choices, pairs, gold }, row);
}

/** Nothing is the likeliest of all: a choice without tokens would always win. */
function scorable(document: ChoiceDocument, row: FileRow): ChoiceDocument {
  const empty = document.pairs.findIndex(({ continuation }) => continuation.length === 0);
  if (empty < 0) return document;
  throw new LlmkitError('data', 'a choice has no tokens of its own after the prompt', {
    where: row.where,
    got: JSON.stringify(document.choices[empty]),
    hint: 'write the choice, or the end of the prompt, in another way',
  });
}
