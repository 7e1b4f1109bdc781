import { readFileSync } from 'node:fs';
import { LlmkitError } from '../core/errors.ts';
import { ioError } from '../io/atomic.ts';

export type JsonObject = { [key: string]: unknown };

/**
 * Reads a UTF-8 file that holds one JSON object.
 *
 * @throws LlmkitError('io') when it cannot be read; LlmkitError('data') with file:line:col when it is not a JSON object
 *   in valid UTF-8. NaN and Infinity, which Python's json writes, are not JSON.
 */
export function readJsonObject(path: string): JsonObject {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw ioError(error, `cannot read ${path}`, path);
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new LlmkitError('data', 'the file is not valid UTF-8', { where: path, cause: error });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const { message } = error as SyntaxError;
    const where = `${path}${position(message, text)}`;
    throw new LlmkitError('data', `the file is not valid JSON: ${message}`, { where, cause: error });
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    const got = value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`;
    throw new LlmkitError('data', 'the file must hold one JSON object', { where: path, got });
  }
  return value as JsonObject;
}

/** One JSON token, with the space before it. */
const TOKEN = /\s*(?:[[\]{},:]|"(?:[^"\\\n]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)/y;

/** `:line:col` of a syntax error: V8 names an offset for some; else it is where no token can be read. */
function position(message: string, text: string): string {
  const named = /position (\d+)/.exec(message);
  let offset = named === null ? 0 : Number(named[1]);
  if (named === null) {
    TOKEN.lastIndex = 0;
    while (TOKEN.test(text)) offset = TOKEN.lastIndex;
    offset += /^\s*/.exec(text.slice(offset))![0].length;
  }
  const before = text.slice(0, offset).split('\n');
  return `:${before.length}:${before.at(-1)!.length + 1}`;
}
