import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

/** A gzipped JSON fixture of test/golden/tokenizer. */
export function readFixture<T>(name: string): T {
  const path = fileURLToPath(new URL(`../golden/tokenizer/${name}`, import.meta.url));
  return JSON.parse(gunzipSync(readFileSync(path)).toString()) as T;
}

/** A file or folder of the shared inputs, undefined (with a message) where they are absent. */
export function sharedPath(...parts: string[]): string | undefined {
  const root = process.env['LLMKIT_SHARED'] ?? fileURLToPath(new URL('../../../shared', import.meta.url));
  const path = join(root, ...parts);
  if (existsSync(path)) return path;
  console.warn(`skipped: the shared input ${parts.join('/')} is not here (set LLMKIT_SHARED)`);
  return undefined;
}
