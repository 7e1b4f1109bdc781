import type { ChatMessage } from '../../tokenizer/index.ts';
import type { Example } from '../types.ts';
import {
  isAbsent,
  mapDialog,
  mapMessages,
  mapTools,
  mapTurns,
  parsedList,
  withSystem,
  wrongCell,
} from './conversations.ts';
import { missingColumn, REQUIRED_ROLES, type RowMapping } from './detect.ts';
import { type Cells, mapPreference } from './preference.ts';

/**
 * A row of a file as an example. Cells are taken as they are; nothing is guessed about them.
 *
 * @throws LlmkitError('data') at the row for a missing column or a cell of the wrong kind.
 */
export function mapRow(value: unknown, mapping: RowMapping, where: string): Example {
  if (mapping.type === 'text' && typeof value === 'string') return { type: 'text', text: value };
  const cells = cellsOf(value as Record<string, unknown>, mapping, where);
  const { cell, text } = cells;
  switch (mapping.type) {
    case 'text':
      return { type: 'text', text: text('text') };
    case 'messages':
      return chat(mapMessages(cell('messages'), cells.column('messages'), where), cells);
    case 'sharegpt':
      return chat(mapTurns(cell('conversations'), cells.column('conversations'), where), cells);
    case 'alpaca':
      return alpaca(cells, mapping);
    case 'prompt-completion': {
      const [prompt, completion] = [cell('prompt'), cell('completion')];
      if (!Array.isArray(prompt) && !Array.isArray(completion)) {
        return promptCompletion(text('prompt'), text('completion'), systemOf(cells), mapping.promptTemplate);
      }
      // TRL's conversational form: lists of messages.
      refuseTemplate(mapping, where);
      return chat([...said('user', 'prompt', cells), ...said('assistant', 'completion', cells)], cells);
    }
    case 'preference':
      return mapPreference(cells);
  }
}

function cellsOf(row: Record<string, unknown>, mapping: RowMapping, where: string): Cells {
  const required = REQUIRED_ROLES[mapping.type];
  const column = (role: string) => mapping.columns[role] ?? role;
  const cell = (role: string): unknown => {
    const name = mapping.columns[role];
    if (name === undefined) return undefined;
    if (!(name in row) && required.includes(role)) throw missingColumn(role, name, row, mapping.type, where);
    return row[name];
  };
  const text = (role: string): string => {
    const value = cell(role);
    if (typeof value === 'string') return value;
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    throw wrongCell(`column ${column(role)} is not text`, 'a string', value, where);
  };
  return { cell, text, column, where };
}

function systemOf({ cell, text }: Cells): string | undefined {
  return isAbsent(cell('system')) ? undefined : text('system');
}

function chat(messages: ChatMessage[], cells: Cells): Example {
  const tools = mapTools(cells.cell('tools'), cells.column('tools'), cells.where);
  const whole = withSystem(messages, systemOf(cells), cells.where);
  return { type: 'messages', messages: whole, ...(tools === undefined ? {} : { tools }) };
}

/** A cell as messages: a list of them, or what `role` says. */
function said(role: string, of: string, { cell, text, column, where }: Cells): ChatMessage[] {
  return Array.isArray(cell(of)) ? mapDialog(cell(of), column(of), where) : [{ role, content: text(of) }];
}

/** Instruction and input make the prompt; LLaMA-Factory's `history` of [question, answer] pairs comes before it. */
function alpaca(cells: Cells, mapping: RowMapping): Example {
  const { cell, text, where } = cells;
  const input = isAbsent(cell('input')) ? '' : text('input');
  const prompt = input === '' ? text('instruction') : `${text('instruction')}\n${input}`;
  const history = isAbsent(cell('history')) ? [] : parsedList(cell('history'));
  if (history?.length === 0) {
    return promptCompletion(prompt, text('output'), systemOf(cells), mapping.promptTemplate);
  }
  refuseTemplate(mapping, where);
  const messages: ChatMessage[] = [];
  for (const pair of history ?? [undefined]) {
    const [question, answer] = (Array.isArray(pair) ? pair : []) as unknown[];
    if (typeof question !== 'string' || typeof answer !== 'string') {
      throw wrongCell('history is not earlier turns', 'a list of [question, answer]', cell('history'), where);
    }
    messages.push({ role: 'user', content: question }, { role: 'assistant', content: answer });
  }
  messages.push({ role: 'user', content: prompt }, { role: 'assistant', content: text('output') });
  return { type: 'messages', messages: withSystem(messages, systemOf(cells), where) };
}

function refuseTemplate(mapping: RowMapping, where: string): void {
  if (mapping.promptTemplate === undefined) return;
  throw wrongCell('prompt_template cannot take a conversation', 'one prompt as text', mapping.promptTemplate, where);
}

function promptCompletion(prompt: string, completion: string, system: string | undefined, template?: string): Example {
  if (template !== undefined) {
    const places: Record<string, string> = { '{prompt}': prompt, '{system}': system ?? '' };
    // In one pass, so that a prompt with {system} in it stays as it is.
    const filled = template.replaceAll(/\{(?:prompt|system)\}/g, (place) => places[place]!);
    return { type: 'prompt-completion', prompt: filled, completion, plain: true };
  }
  return { type: 'prompt-completion', prompt, completion, ...(system === undefined ? {} : { system }) };
}
