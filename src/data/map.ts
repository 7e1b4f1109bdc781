import { LlmkitError } from '../core/errors.ts';
import type { ChatMessage } from '../tokenizer/index.ts';
import { missingColumn, REQUIRED_ROLES, type RowMapping } from './detect.ts';
import type { Example } from './types.ts';

/** ShareGPT's names for the roles of a turn. */
const ROLE_OF_SPEAKER: Record<string, string> = {
  system: 'system',
  human: 'user',
  user: 'user',
  gpt: 'assistant',
  chatgpt: 'assistant',
  assistant: 'assistant',
  model: 'assistant',
  bot: 'assistant',
  tool: 'tool',
  observation: 'tool',
};

/**
 * A row of a file as an example. Cells are taken as they are; nothing is guessed about them.
 *
 * @throws LlmkitError('data') at the row for a missing column or a cell of the wrong kind.
 */
export function mapRow(value: unknown, mapping: RowMapping, where: string): Example {
  if (mapping.type === 'text' && typeof value === 'string') return { type: 'text', text: value };
  const row = value as Record<string, unknown>;
  const cell = (role: string): unknown => {
    const column = mapping.columns[role];
    if (column === undefined) return undefined;
    if (!(column in row) && REQUIRED_ROLES[mapping.type].includes(role)) {
      throw missingColumn(role, column, row, mapping.type, where);
    }
    return row[column];
  };
  const text = (role: string): string => textOf(cell(role), mapping.columns[role] ?? role, where);
  switch (mapping.type) {
    case 'text':
      return { type: 'text', text: text('text') };
    case 'messages':
      return { type: 'messages', messages: mapMessages(cell('messages'), mapping.columns['messages']!, where) };
    case 'sharegpt':
      return { type: 'messages', messages: withSystem(mapTurns(cell('conversations'), where), optional(cell, text)) };
    case 'alpaca': {
      const input = isAbsent(cell('input')) ? '' : text('input');
      const prompt = input === '' ? text('instruction') : `${text('instruction')}\n${input}`;
      return promptCompletion(prompt, text('output'), optional(cell, text), mapping.promptTemplate);
    }
    case 'prompt-completion': {
      const [prompt, completion] = [cell('prompt'), cell('completion')];
      if (Array.isArray(prompt) && Array.isArray(completion)) {
        // TRL's conversational form: both are lists of messages.
        const messages = mapMessages([...(prompt as unknown[]), ...(completion as unknown[])], 'prompt', where);
        return { type: 'messages', messages: withSystem(messages, optional(cell, text)) };
      }
      return promptCompletion(text('prompt'), text('completion'), optional(cell, text), mapping.promptTemplate);
    }
  }
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

function optional(cell: (role: string) => unknown, text: (role: string) => string): string | undefined {
  return isAbsent(cell('system')) ? undefined : text('system');
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || value === '';
}

function textOf(value: unknown, column: string, where: string): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw wrongCell(`column ${column} is not text`, 'a string', value, where);
}

function mapMessages(value: unknown, column: string, where: string): ChatMessage[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw wrongCell(`column ${column} is not a conversation`, 'a list of { role, content }', value, where);
  }
  return (value as unknown[]).map((turn, i) => {
    const message = (typeof turn === 'object' && turn !== null ? turn : {}) as Record<string, unknown>;
    const content = contentOf(message);
    if (typeof message['role'] !== 'string' || content === undefined) {
      throw wrongCell(`turn ${i + 1} is not a message`, '{ role, content } with text in both', turn, where);
    }
    return { ...message, role: message['role'], content };
  });
}

/** Content may be text, a list of text parts, or absent where a turn only calls tools. */
function contentOf(message: Record<string, unknown>): string | undefined {
  const content = message['content'];
  if (typeof content === 'string') return content;
  if ((content === null || content === undefined) && Array.isArray(message['tool_calls'])) return '';
  if (!Array.isArray(content)) return undefined;
  const parts = (content as { type?: unknown; text?: unknown }[]).map((part) =>
    part.type === 'text' && typeof part.text === 'string' ? part.text : undefined,
  );
  return parts.includes(undefined) ? undefined : parts.join('');
}

function mapTurns(value: unknown, where: string): ChatMessage[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw wrongCell('conversations is not a conversation', 'a list of { from, value }', value, where);
  }
  return (value as unknown[]).map((turn, i) => {
    const { from, value: content } = (turn ?? {}) as { from?: unknown; value?: unknown };
    const role = typeof from === 'string' ? ROLE_OF_SPEAKER[from.toLowerCase()] : undefined;
    if (role === undefined || typeof content !== 'string') {
      const expected = `{ from, value } with from one of ${Object.keys(ROLE_OF_SPEAKER).join(', ')}`;
      throw wrongCell(`turn ${i + 1} is not a ShareGPT turn`, expected, turn, where);
    }
    return { role, content };
  });
}

function withSystem(messages: ChatMessage[], system: string | undefined): ChatMessage[] {
  return system === undefined ? messages : [{ role: 'system', content: system }, ...messages];
}

function wrongCell(message: string, expected: string, value: unknown, where: string): LlmkitError {
  return new LlmkitError('data', message, { where, expected, got: (JSON.stringify(value) ?? 'nothing').slice(0, 80) });
}
