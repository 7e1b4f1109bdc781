import { LlmkitError } from '../core/errors.ts';
import { jsonErrorOffset } from '../core/json-error.ts';
import { excerpt, type Line, type LineOptions, LineSplitter } from './lines.ts';
import type { ChunkParser, RawRecord } from './records.ts';

/**
 * The rows of a JSON lines file: one object a line; blank lines are passed over.
 * Values are JSON.parse's own: no type is guessed, so dates and leading zeros stay as they are.
 */
export class JsonLines implements ChunkParser {
  readonly #name: string;
  readonly #lines: LineSplitter;
  #first = true;

  constructor(options: LineOptions & { name: string; firstLine?: number }) {
    this.#name = options.name;
    this.#lines = new LineSplitter(options);
  }

  push(chunk: Buffer): Generator<RawRecord> {
    return this.#parse(this.#lines.push(chunk));
  }

  end(): Generator<RawRecord> {
    return this.#parse(this.#lines.end());
  }

  *#parse(lines: Iterable<Line>): Generator<RawRecord> {
    for (const item of lines) {
      const row = item.line;
      const where = `${this.#name}:${row}`;
      if ('error' in item) {
        yield { where, row, error: item.error };
        continue;
      }
      const { text } = item;
      if (text.length === 0 || (text.charCodeAt(0) <= 32 && text.trim() === '')) continue;
      if (this.#first && text.trimStart().startsWith('[')) throw jsonArray(this.#name);
      this.#first = false;
      yield parseRow(text, where, row);
    }
  }
}

function parseRow(text: string, where: string, row: number): RawRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { where, row, error: notJson(text, 'the line', (at) => `${where}:${at + 1}`, error) };
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { where, row, value };
  const error = new LlmkitError('data', 'the line is not a JSON object', {
    where,
    expected: '{"column": value, ...}',
    got: excerpt(text, 0),
  });
  return { where, row, error };
}

/** The error for text that JSON.parse refused: which character, and the text around it. */
export function notJson(text: string, what: string, whereOf: (offset: number) => string, cause: unknown): LlmkitError {
  const at = jsonErrorOffset(text) ?? text.length;
  const why = at >= text.length ? 'it ends too early' : `${JSON.stringify(text[at])} cannot stand here`;
  return new LlmkitError('data', `${what} is not JSON: ${why}`, {
    where: whereOf(at),
    got: excerpt(text, at),
    hint: `mend ${what}, or set prepare.malformed: skip to leave such rows out and count them`,
    cause,
  });
}

function jsonArray(name: string): LlmkitError {
  return new LlmkitError('data', `${name} holds one JSON array, not one object a line`, {
    where: `${name}:1`,
    hint: 'say format: json for this source',
  });
}
