import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'vitest';
import { LlmkitError, LlmkitErrors } from '../../src/core/errors.ts';

/** Writes files (name: text) to a fresh folder and gives its path. */
export function folderOf(files: Record<string, string>): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'llmkit-config-'));
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(folder, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  return folder;
}

/** What `work` throws, each error in the lines a person reads. */
export function errorsOf(work: () => unknown): string[] {
  try {
    work();
  } catch (error) {
    if (error instanceof LlmkitErrors) return error.errors.map(lines);
    if (error instanceof LlmkitError) return [lines(error)];
    throw error;
  }
  expect.fail('nothing was thrown');
}

function lines(error: LlmkitError): string {
  const parts = [error.message, `at ${error.where ?? '?'}`];
  if (error.expected !== undefined) parts.push(`expected ${error.expected}`);
  if (error.got !== undefined) parts.push(`got ${error.got}`);
  if (error.hint !== undefined) parts.push(`hint ${error.hint}`);
  return parts.join(' | ');
}
