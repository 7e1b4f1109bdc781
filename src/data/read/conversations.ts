import { LlmkitError } from '../../core/errors.ts';
import type { ChatMessage } from '../../tokenizer/index.ts';

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
  bing: 'assistant',
  bard: 'assistant',
  function_call: 'assistant',
  tool: 'tool',
  observation: 'tool',
  function_response: 'tool',
};

export function wrongCell(message: string, expected: string, value: unknown, where: string): LlmkitError {
  return new LlmkitError('data', message, { where, expected, got: (JSON.stringify(value) ?? 'nothing').slice(0, 80) });
}

export function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || value === '';
}

/** A list, or one that a table keeps as JSON in a text; undefined for everything else. */
export function parsedList(value: unknown): unknown[] | undefined {
  if (Array.isArray(value)) return value as unknown[];
  if (typeof value !== 'string' || !value.trimStart().startsWith('[')) return undefined;
  const parsed = parsedJson(value);
  return Array.isArray(parsed) ? (parsed as unknown[]) : undefined;
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // It is text then; what is done about that, the caller knows.
  }
}

export function isTurn(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return ('role' in value && 'content' in value) || ('from' in value && 'value' in value);
}

/** A conversation in either form: OpenAI's { role, content } or ShareGPT's { from, value }. */
export function mapDialog(value: unknown, column: string, where: string): ChatMessage[] {
  const turns = parsedList(value);
  const first = turns?.[0];
  const shareGpt = typeof first === 'object' && first !== null && 'from' in first;
  return shareGpt ? mapTurns(turns, column, where) : mapMessages(turns ?? value, column, where);
}

/**
 * OpenAI messages; keys beside role and content (name, tool_calls, train, weight, ...) are kept, but for nulls, which is
 * how tables say that there is none.
 */
export function mapMessages(value: unknown, column: string, where: string): ChatMessage[] {
  const turns = parsedList(value);
  if (turns === undefined || turns.length === 0) {
    throw wrongCell(`column ${column} is not a conversation`, 'a list of { role, content }', value, where);
  }
  return turns.map((turn, i) => {
    const message = (typeof turn === 'object' && turn !== null ? turn : {}) as Record<string, unknown>;
    const content = contentOf(message);
    const { role } = message;
    if (typeof role !== 'string' || content === undefined) {
      throw wrongCell(`turn ${i + 1} is not a message`, '{ role, content } with text in both', turn, where);
    }
    const mapped: ChatMessage & Record<string, unknown> = { role, content };
    for (const key in message) {
      if (key !== 'role' && key !== 'content' && message[key] !== null)
        mapped[key] = extra(key, message[key], i, where);
    }
    return mapped;
  });
}

/** Content may be text, a list of text parts, or absent where a turn only calls tools. */
function contentOf(message: Record<string, unknown>): string | undefined {
  const content = message['content'];
  if (typeof content === 'string') return content;
  if (content === null || content === undefined) return isAbsent(message['tool_calls']) ? undefined : '';
  if (!Array.isArray(content)) return undefined;
  const parts = (content as unknown[]).map((part) => {
    const { type, text } = (part ?? {}) as { type?: unknown; text?: unknown };
    return type === 'text' && typeof text === 'string' ? text : undefined;
  });
  return parts.includes(undefined) ? undefined : parts.join('');
}

function extra(key: string, value: unknown, turn: number, where: string): unknown {
  if (key === 'train' && typeof value !== 'boolean') {
    throw wrongCell(`train of turn ${turn + 1} is not a yes or no`, 'true or false', value, where);
  }
  if (key === 'weight') {
    // Tables give whole numbers as text.
    const weight = typeof value === 'string' ? Number(value) : value;
    if (typeof weight === 'number' && weight >= 0 && value !== '') return weight;
    throw wrongCell(`weight of turn ${turn + 1} is not a weight`, '0 (no loss) or 1', value, where);
  }
  if (key !== 'tool_calls') return value;
  const calls = parsedList(value);
  if (calls !== undefined) return calls.map(toolCall);
  throw wrongCell(`tool_calls of turn ${turn + 1} is not a list`, 'a list of tool calls', value, where);
}

/** OpenAI's API keeps the arguments of a call as JSON in a text; chat templates want them as an object. */
function toolCall(call: unknown): unknown {
  const { function: called } = (call ?? {}) as { function?: { arguments?: unknown } | null };
  const text = called?.arguments;
  if (typeof text !== 'string') return call;
  const parsed = parsedJson(text);
  const isObject = typeof parsed === 'object' && parsed !== null;
  return isObject ? { ...(call as object), function: { ...called, arguments: parsed } } : call;
}

/** ShareGPT turns; a `function_call` becomes an assistant's turn that calls tools. */
export function mapTurns(value: unknown, column: string, where: string): ChatMessage[] {
  const turns = parsedList(value);
  if (turns === undefined || turns.length === 0) {
    throw wrongCell(`${column} is not a conversation`, 'a list of { from, value }', value, where);
  }
  return turns.map((turn, i) => {
    const { from, value: content, train, weight } = (turn ?? {}) as Record<string, unknown>;
    const speaker = typeof from === 'string' ? from.toLowerCase() : '';
    const role = ROLE_OF_SPEAKER[speaker];
    if (role === undefined || typeof content !== 'string') {
      const expected = `{ from, value } with from one of ${Object.keys(ROLE_OF_SPEAKER).join(', ')}`;
      throw wrongCell(`turn ${i + 1} is not a ShareGPT turn`, expected, turn, where);
    }
    return {
      role,
      ...(speaker === 'function_call' ? { content: '', tool_calls: calledFunctions(content, i, where) } : { content }),
      ...(isAbsent(train) ? {} : { train: extra('train', train, i, where) }),
      ...(isAbsent(weight) ? {} : { weight: extra('weight', weight, i, where) }),
    };
  });
}

function calledFunctions(text: string, turn: number, where: string): unknown[] {
  const parsed = parsedJson(text);
  const calls = (Array.isArray(parsed) ? parsed : [parsed]) as unknown[];
  return calls.map((call) => {
    const { name, arguments: given } = (call ?? {}) as { name?: unknown; arguments?: unknown };
    if (typeof name !== 'string') {
      throw wrongCell(
        `turn ${turn + 1} is not a function call`,
        'JSON: {"name": ..., "arguments": {...}}',
        text,
        where,
      );
    }
    return toolCall({ type: 'function', function: { name, arguments: given ?? {} } });
  });
}

/**
 * Tool descriptions: a list, or JSON of one, each as chat templates want it ({ type: 'function', function }); undefined
 * where there are none.
 */
export function mapTools(value: unknown, column: string, where: string): unknown[] | undefined {
  if (isAbsent(value)) return undefined;
  const tools = parsedList(value);
  if (tools === undefined)
    throw wrongCell(`column ${column} is not a list of tools`, 'a list, or JSON of one', value, where);
  if (tools.length === 0) return undefined;
  return tools.map((tool, i) => {
    const given = typeof tool === 'string' ? parsedJson(tool) : tool;
    if (typeof given !== 'object' || given === null) {
      throw wrongCell(
        `tool ${i + 1} is not a description`,
        'an object: { name, description, parameters }',
        tool,
        where,
      );
    }
    return 'name' in given && !('function' in given) && !('type' in given)
      ? { type: 'function', function: given }
      : given;
  });
}

export function withSystem(messages: ChatMessage[], system: string | undefined, where: string): ChatMessage[] {
  if (system === undefined) return messages;
  const first = messages[0];
  if (first?.role !== 'system') return [{ role: 'system', content: system }, ...messages];
  if (first.content === system) return messages;
  throw wrongCell('the row has two system texts', 'a system column or a system turn', system, where);
}
