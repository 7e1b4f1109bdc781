import { readFileSync } from 'node:fs';
import { LlmkitError } from '../core/errors.ts';
import { jsonErrorOffset } from '../core/json-error.ts';
import { ioError } from './atomic.ts';

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
  } catch (cause) {
    throw new LlmkitError('data', 'the file is not valid UTF-8', { where: path, hint: 'fetch the file again', cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw jsonError(path, text, cause as SyntaxError);
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    const got = value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`;
    throw new LlmkitError('data', 'the file does not hold a JSON object', { where: path, got });
  }
  return value as JsonObject;
}

function jsonError(path: string, text: string, cause: SyntaxError): LlmkitError {
  const at = jsonErrorOffset(text) ?? text.length;
  const before = text.slice(0, at);
  const where = `${path}:${before.split('\n').length}:${at - before.lastIndexOf('\n')}`;
  if (at >= text.length) {
    const hint = 'the download or copy stopped early: fetch the file again and compare its size';
    return new LlmkitError('data', 'the file ends in the middle of its JSON', { where, hint, cause });
  }
  return new LlmkitError('data', `not JSON: ${cause.message}`, {
    where,
    hint: 'mend the file or fetch it again',
    cause,
  });
}
