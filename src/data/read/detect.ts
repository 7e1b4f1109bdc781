import { rolesOfType, type RowType, type SourceConfig } from '../../config/index.ts';
import { LlmkitError } from '../../core/errors.ts';
import { isTurn, parsedList } from './conversations.ts';

/** How the rows of a source are read: their type, and under which column each role is. */
export interface RowMapping {
  type: RowType;
  columns: Record<string, string>;
  promptTemplate: string | undefined;
  /** For a person: what was found and from what. */
  found: string;
  /** Columns of the first row that no role uses. */
  unused: string[];
}

/** Roles a row must have; the others of its type may be absent, in some rows or in all. */
export const REQUIRED_ROLES: Record<RowType, readonly string[]> = {
  text: ['text'],
  messages: ['messages'],
  sharegpt: ['conversations'],
  alpaca: ['instruction', 'output'],
  'prompt-completion': ['prompt', 'completion'],
  // The prompt may be under several names, or be what both answers begin with.
  preference: ['chosen', 'rejected'],
};

/** Where else a preference row may have its prompt. */
const PROMPT_ROLES = ['prompt', 'conversations', 'instruction'];

/** Types whose prompts a prompt_template can take. */
const TEMPLATE_TYPES: ReadonlySet<RowType> = new Set(['alpaca', 'prompt-completion']);

/** Pairs of column names that people use for a prompt and its completion. */
const COMMON_PAIRS: readonly (readonly [string, string])[] = [
  ['question', 'answer'],
  ['query', 'response'],
  ['prompt', 'response'],
  ['question', 'response'],
  ['input', 'output'],
  ['instruction', 'response'],
  ['text', 'label'],
  ['text', 'category'],
  ['text', 'intent'],
];

/** Column names that people use for the prompt of a preference row. */
const COMMON_PROMPTS = ['question', 'query', 'input', 'context', 'user'];

/**
 * Decides how a source's rows are read from its config and its first row. What the config says is taken; the rest is
 * recognized by column names (and, for conversations, by the keys of a turn). Guesses that could be wrong are errors
 * with the mapping to write.
 *
 * @param first the first readable row: an object, or a string for text files.
 */
export function detectMapping(source: SourceConfig, first: unknown, where: string): RowMapping {
  const promptTemplate = source.prompt_template;
  if (typeof first === 'string') {
    if (source.type !== 'auto' && source.type !== 'text') {
      throw new LlmkitError('config', `a text file has no ${source.type} rows`, { where, expected: 'type: text' });
    }
    refuseTemplate(source, 'text', where);
    return { type: 'text', columns: {}, promptTemplate, found: 'text rows', unused: [] };
  }
  const row = first as Record<string, unknown>;
  const given = Object.fromEntries(
    Object.entries(source.columns ?? {}).filter(([, column]) => column !== undefined),
  ) as Record<string, string>;
  const type = source.type === 'auto' ? typeOf(row, given, where) : source.type;
  refuseTemplate(source, type, where);
  const columns: Record<string, string> = {};
  for (const role of rolesOfType[type]) {
    // A preference row has its prompt under `conversations`; what `messages` are beside it, nobody knows.
    const column = given[role] ?? (type === 'preference' ? role : usualColumn(role, row));
    // A column that the config gives another role is not taken for a second one by its name.
    if (role in given || !Object.values(given).includes(column)) columns[role] = column;
  }
  for (const [role, column] of Object.entries(columns)) {
    const needed = role in given || REQUIRED_ROLES[type].includes(role);
    if (needed && !(column in row)) throw missingColumn(role, column, row, type, where);
  }
  const found = Object.entries(columns).filter(([, column]) => column in row);
  const unused = Object.keys(row).filter((column) => !found.some(([, used]) => used === column));
  const mapped = found.map(([role, column]) => (role === column ? role : `${role}: ${column}`));
  const from =
    source.type !== 'auto' ? 'the config' : Object.keys(given).length > 0 ? 'the mapped columns' : 'its columns';
  return { type, columns, promptTemplate, found: `${type} rows { ${mapped.join(', ')} }, from ${from}`, unused };
}

function refuseTemplate(source: SourceConfig, type: RowType, where: string): void {
  if (source.prompt_template === undefined || TEMPLATE_TYPES.has(type)) return;
  throw new LlmkitError('config', `prompt_template does not fit ${type} rows`, {
    where,
    expected: [...TEMPLATE_TYPES].map((name) => `${name} rows`).join(' or '),
    hint: 'take prompt_template away from this source',
  });
}

/** The error for a row that lacks a column it should have. */
export function missingColumn(
  role: string,
  column: string,
  row: Record<string, unknown>,
  type: RowType,
  where: string,
): LlmkitError {
  return new LlmkitError('data', `there is no column ${column}`, {
    where,
    expected: role === column ? `${column} (${type} rows)` : `${column}, which columns.${role} names`,
    got: `columns ${Object.keys(row).join(', ') || '(none)'}`,
    hint: `say where it is: columns: { ${role}: <column> }`,
  });
}

function typeOf(row: Record<string, unknown>, given: Record<string, string>, where: string): RowType {
  const types = Object.keys(rolesOfType) as RowType[];
  const has = (role: string) => (given[role] ?? role) in row;
  const isPreference = has('chosen') && has('rejected');
  if (Object.keys(given).length > 0) {
    const fitting = types.filter((type) => Object.keys(given).every((role) => allows(type, role)));
    if (isPreference && fitting.includes('preference')) return 'preference';
    return fitting.find((type) => REQUIRED_ROLES[type].every(has)) ?? fitting[0]!;
  }
  if (isPreference) {
    if (PROMPT_ROLES.some(has) || isTurn(firstTurn(row['chosen']))) return 'preference';
    throw noPrompt(row, where);
  }
  const turn = firstTurn(row[usualColumn('messages', row)]);
  if (turn !== undefined && 'from' in turn && 'value' in turn) return 'sharegpt';
  if (turn !== undefined && 'role' in turn) return 'messages';
  const found = (['messages', 'alpaca', 'prompt-completion', 'text'] as const).filter((type) =>
    REQUIRED_ROLES[type].every(has),
  );
  // A text column beside others may be a classification set: training on the text alone would lose the answers.
  const pair = COMMON_PAIRS.find(([a, b]) => a in row && b in row);
  if (found.length === 1 && (found[0] !== 'text' || pair === undefined)) return found[0]!;
  throw new LlmkitError('data', 'the columns do not say what the rows are', {
    where,
    expected: types.map((type) => `${type} (${REQUIRED_ROLES[type].join(', ')})`).join('; '),
    got: `columns ${Object.keys(row).join(', ') || '(none)'}`,
    hint:
      found.length > 1
        ? `say which: ${found.map((type) => `type: ${type}`).join(' or ')}`
        : pair === undefined
          ? 'map them: columns: { prompt: <column>, completion: <column> }, or columns: { text: <column> }'
          : `map them: columns: { prompt: ${pair[0]}, completion: ${pair[1]} }${'text' in row ? ', or type: text' : ''}`,
  });
}

function noPrompt(row: Record<string, unknown>, where: string): LlmkitError {
  const column = COMMON_PROMPTS.find((name) => name in row) ?? '<column>';
  return new LlmkitError('data', 'the rows have chosen and rejected answers, but no prompt', {
    where,
    expected: 'a column prompt, or answers that are conversations with the same beginning',
    got: `columns ${Object.keys(row).join(', ')}`,
    hint: `say where it is: columns: { prompt: ${column} }`,
  });
}

function allows(type: RowType, role: string): boolean {
  return (rolesOfType[type] as readonly string[]).includes(role);
}

/** The column of a role by its name; conversations go by either of two, whatever their turns look like. */
function usualColumn(role: string, row: Record<string, unknown>): string {
  const other = role === 'messages' ? 'conversations' : role === 'conversations' ? 'messages' : role;
  return !(role in row) && firstTurn(row[other]) !== undefined ? other : role;
}

function firstTurn(value: unknown): Record<string, unknown> | undefined {
  const turn: unknown = parsedList(value)?.[0];
  return typeof turn === 'object' && turn !== null ? (turn as Record<string, unknown>) : undefined;
}
