import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where the bundled samples lie. */
export const DATASETS = join(import.meta.dirname, '../../datasets');

/** A file's text; invalid UTF-8 throws. */
export function readText(path: string): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(join(DATASETS, path)));
}

/** The parsed lines of a jsonl file that must end in a line break and have no blank line. */
export function readJsonl<T>(path: string): T[] {
  const lines = readText(path).split('\n');
  if (lines.pop() !== '') throw new Error(`${path} does not end in a line break`);
  return lines.map((line) => JSON.parse(line) as T);
}

/** Character n-grams of the letters and digits: five for English, three for Chinese. */
export function grams(text: string, language: string): Set<string> {
  const size = language === 'zh' ? 3 : 5;
  const letters = [...text.toLowerCase().replace(/[^\p{L}\p{N} ]/gu, '')];
  const result = new Set<string>();
  for (let i = 0; i + size <= letters.length; i++) result.add(letters.slice(i, i + size).join(''));
  if (result.size === 0) result.add(letters.join(''));
  return result;
}

/** Shared n-grams over all n-grams. */
export function jaccard(a: Set<string>, b: Set<string>): number {
  let shared = 0;
  for (const gram of a) if (b.has(gram)) shared++;
  return shared / (a.size + b.size - shared);
}

/** How many items there are of each key. */
export function countBy<T>(items: readonly T[], key: (item: T) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(key(item), (counts.get(key(item)) ?? 0) + 1);
  return counts;
}

/** Runs a generator into an empty folder; the names of those files that differ from the committed ones. */
export function regenerate(script: string, folder: string, names: readonly string[]): string[] {
  const out = mkdtempSync(join(tmpdir(), 'llmkit-datasets-'));
  try {
    execFileSync(process.execPath, [join(DATASETS, script), '--out', out]);
    return names.filter((name) => !readFileSync(join(out, name)).equals(readFileSync(join(DATASETS, folder, name))));
  } finally {
    rmSync(out, { recursive: true });
  }
}
