import { rolesOfType, type RowType, type SourceConfig } from '../config/index.ts';
import { LlmkitError } from '../core/errors.ts';

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

/** Roles a row must have; the others of its type may be absent. */
export const REQUIRED_ROLES: Record<RowType, readonly string[]> = {
  text: ['text'],
  messages: ['messages'],
  sharegpt: ['conversations'],
  alpaca: ['instruction', 'output'],
  'prompt-completion': ['prompt', 'completion'],
};

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
    return { type: 'text', columns: {}, promptTemplate, found: 'text rows', unused: [] };
  }
  const row = first as Record<string, unknown>;
  const given = Object.fromEntries(Object.entries(source.columns ?? {}).filter(([, column]) => column !== undefined));
  const type = source.type === 'auto' ? typeOf(row, given as Record<string, string>, where) : source.type;
  const columns: Record<string, string> = {};
  for (const role of rolesOfType[type]) {
    const column = (given as Record<string, string>)[role] ?? (role === 'conversations' ? turnsColumn(row) : role);
    if (column in row || REQUIRED_ROLES[type].includes(role) || role in given) columns[role] = column;
  }
  const missing = Object.entries(columns).find(([, column]) => !(column in row));
  if (missing !== undefined) throw missingColumn(missing[0], missing[1], row, type, where);
  const used = new Set(Object.values(columns));
  const unused = Object.keys(row).filter((column) => !used.has(column));
  const mapped = Object.entries(columns).map(([role, column]) => (role === column ? role : `${role}: ${column}`));
  const from =
    source.type !== 'auto' ? 'the config' : Object.keys(given).length > 0 ? 'the mapped columns' : 'its columns';
  return { type, columns, promptTemplate, found: `${type} rows { ${mapped.join(', ')} }, from ${from}`, unused };
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
  if (Object.keys(given).length > 0) {
    const fitting = types.filter((type) => Object.keys(given).every((role) => allows(type, role)));
    return fitting.find((type) => REQUIRED_ROLES[type].every(has)) ?? fitting[0]!;
  }
  const turn = firstTurn(row['conversations']) ?? firstTurn(row['messages']);
  if (turn !== undefined) {
    if ('from' in turn && 'value' in turn) return 'sharegpt';
    if ('role' in turn && firstTurn(row['messages']) !== undefined) return 'messages';
  }
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
      pair === undefined
        ? 'map them: columns: { prompt: <column>, completion: <column> }, or columns: { text: <column> }'
        : `map them: columns: { prompt: ${pair[0]}, completion: ${pair[1]} }${'text' in row ? ', or type: text' : ''}`,
  });
}

function allows(type: RowType, role: string): boolean {
  return (rolesOfType[type] as readonly string[]).includes(role);
}

function turnsColumn(row: Record<string, unknown>): string {
  return !('conversations' in row) && firstTurn(row['messages']) !== undefined ? 'messages' : 'conversations';
}

function firstTurn(value: unknown): Record<string, unknown> | undefined {
  const turn: unknown = Array.isArray(value) ? value[0] : undefined;
  return typeof turn === 'object' && turn !== null ? (turn as Record<string, unknown>) : undefined;
}
