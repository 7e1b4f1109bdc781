import { formatValue } from '../core/format.ts';
import { wellFormed } from '../tokenizer/index.ts';

/** Counts that tasks return as JSON and the report adds up; adding is in the order of the tasks. */

const KEPT = 100;

/** A count of rows with the names of the first hundred. */
export interface RowTally {
  count: number;
  rows: string[];
}

export function emptyTally(): RowTally {
  return { count: 0, rows: [] };
}

export function addRow(tally: RowTally, id: string): void {
  tally.count++;
  if (tally.rows.length < KEPT) tally.rows.push(id);
}

export function addTally(sum: RowTally, other: RowTally): void {
  sum.count += other.count;
  sum.rows.push(...other.rows.slice(0, KEPT - sum.rows.length));
}

/** Rows dropped by one rule, with the first few in full. */
export interface DropTally {
  count: number;
  /** UTF-16 units of their texts. */
  characters: number;
  examples: DropExample[];
}

export interface DropExample {
  row: string;
  value: string | number;
  limit: string | number;
  /** The beginning of its text. */
  text: string;
}

/** `0.198, limit 0.16`: why a rule dropped a row, for a person. */
export function reasonOf({ value, limit }: Pick<DropExample, 'value' | 'limit'>): string {
  const shown = (figure: string | number) => (typeof figure === 'number' ? formatValue(figure) : figure);
  return limit === '' ? shown(value) : `${shown(value)}, limit ${shown(limit)}`;
}

const DROP_EXAMPLES = 5;
const EXCERPT = 240;

export function addDrop(
  drops: Record<string, DropTally>,
  rule: string,
  drop: { row: string; value: string | number; limit: string | number; document: string },
): void {
  const tally = (drops[rule] ??= { count: 0, characters: 0, examples: [] });
  tally.count++;
  tally.characters += drop.document.length;
  if (tally.examples.length >= DROP_EXAMPLES) return;
  const text = drop.document.length > EXCERPT ? `${drop.document.slice(0, EXCERPT)}…` : drop.document;
  tally.examples.push({ row: drop.row, value: drop.value, limit: drop.limit, text: wellFormed(text) });
}

export function addDrops(sum: Record<string, DropTally>, other: Record<string, DropTally>): void {
  for (const [rule, { count, characters, examples }] of Object.entries(other)) {
    const tally = (sum[rule] ??= { count: 0, characters: 0, examples: [] });
    tally.count += count;
    tally.characters += characters;
    tally.examples.push(...examples.slice(0, DROP_EXAMPLES - tally.examples.length));
  }
}

export function addCounts(sum: Record<string, number>, other: Record<string, number>): void {
  for (const [name, count] of Object.entries(other)) sum[name] = (sum[name] ?? 0) + count;
}
