import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { type Json } from '../core/events.ts';
import { LlmkitError } from '../core/errors.ts';
import { hashJson } from '../core/json.ts';
import { ioError, writeFileAtomic } from './atomic.ts';

export const MANIFEST = 'manifest.json';

/** One file a stage read or wrote. Outputs name it relative to the folder of the manifest. */
export interface FileRecord {
  path: string;
  sha256: string;
  bytes: number;
}

/** What a stage leaves beside its output: enough to say where every byte came from, and to replay the hashes. */
export interface Manifest {
  command: string;
  /** The resolved config that the stage depended on. */
  config: Json;
  /** sha256 of that config as stable JSON. */
  configHash?: string;
  inputs: FileRecord[];
  outputs: FileRecord[];
  seed: number;
  /** The engine that computed, where one did. */
  engine?: string;
  /** llmkit's, Node's and the libraries' that shape the result. */
  versions: Record<string, string>;
  /** Revision of the repository the user stood in, where there was one. */
  git?: string;
  extra?: { [key: string]: Json };
}

/** Writes `manifest.json` into `dir`, its configHash filled in. Call it last: a folder with a manifest is a finished one. */
export function writeManifest(dir: string, manifest: Manifest): void {
  const whole: Manifest = { ...manifest, configHash: hashJson(manifest.config) };
  writeFileAtomic(join(dir, MANIFEST), `${JSON.stringify(whole, null, 2)}\n`);
}

/**
 * Reads `manifest.json` from `dir`.
 *
 * @throws LlmkitError('data') when there is none or it is not one.
 */
export function readManifest(dir: string): Manifest {
  const path = join(dir, MANIFEST);
  if (!existsSync(path)) {
    throw new LlmkitError('data', `${dir} has no ${MANIFEST}`, {
      where: dir,
      expected: 'a folder that a llmkit command finished writing',
      hint: 'run the command that makes it again',
    });
  }
  let manifest: Partial<Manifest> | null;
  try {
    manifest = JSON.parse(readFileSync(path, 'utf8')) as Partial<Manifest> | null;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw ioError(error, `cannot read ${path}`, path);
    throw new LlmkitError('data', `${path} is not JSON: ${error.message}`, { where: path, cause: error });
  }
  const whole =
    typeof manifest?.command === 'string' && Array.isArray(manifest.inputs) && Array.isArray(manifest.outputs);
  if (!whole) {
    throw new LlmkitError('data', `${path} is not a manifest`, {
      where: path,
      expected: 'command, inputs and outputs',
    });
  }
  return manifest as Manifest;
}

/** sha256 of a file in hexadecimal, read a megabyte at a time. */
export function sha256File(path: string): string {
  return describeFile(path).sha256;
}

/** Path (as given), sha256 and size of one file. */
export function describeFile(path: string): FileRecord {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(2 ** 20);
  let bytes = 0;
  try {
    const fd = openSync(path, 'r');
    try {
      for (;;) {
        const read = readSync(fd, chunk, 0, chunk.length, null);
        if (read === 0) break;
        hash.update(chunk.subarray(0, read));
        bytes += read;
      }
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw ioError(error, `cannot read ${path}`, path);
  }
  return { path, sha256: hash.digest('hex'), bytes };
}

/** Every file under `dir` but the manifest, sorted, with paths relative to it and forward slashes. */
export async function describeFiles(dir: string): Promise<FileRecord[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((path) => path !== MANIFEST)
    .sort();
  return paths.map((path) => ({ ...describeFile(join(dir, path)), path }));
}

/** Checks the outputs that a manifest lists by size only: enough to see an edit or a cut without reading the data. */
export function outputsPresent(dir: string, manifest: Manifest): boolean {
  return manifest.outputs.every(({ path, bytes }) => {
    const stats = statSync(join(dir, path), { throwIfNoEntry: false });
    return stats !== undefined && stats.size === bytes;
  });
}
