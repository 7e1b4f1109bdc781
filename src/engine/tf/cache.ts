import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { cacheRoot } from '../../core/cache-root.ts';
import { type FileRecord, sha256File } from '../../io/manifest.ts';

/** The versions that make a native engine; they name its folder in the cache. */
export const VERSIONS = {
  /** PyPI wheel that carries libtensorflow. */
  tensorflow: '2.21.0',
  /** npm package that carries the addon's sources. */
  addon: '4.22.0',
  /** libtensorflow that the official prebuilt addon goes with. */
  official: '2.9.1',
  /** Raised when the way of making the engine changes. */
  recipe: 1,
} as const;

export type NativeVariant = 'cpu' | 'gpu';

/** `setup.json`: what was made, from what, and how to tell that it is still whole. */
export interface SetupRecord {
  recipe: number;
  variant: NativeVariant;
  /** `wheel`: compiled here against the wheel's libtensorflow. `official`: the prebuilt 2.9.1 pair. */
  source: 'wheel' | 'official';
  tensorflow: string;
  addonVersion: string;
  /** The .node file, relative to the folder. */
  addon: string;
  /** Relative to the folder. */
  files: FileRecord[];
  /** What was downloaded. */
  madeFrom: FileRecord[];
  compiler?: string;
}

/** A native engine that lies in the cache. */
export interface NativeInstall {
  directory: string;
  addonPath: string;
  record: SetupRecord;
}

/** Folder of the native engine of this platform and these versions, whether or not it is there. */
export function nativeDirectory(variant: NativeVariant, environment: NodeJS.ProcessEnv = process.env): string {
  const key = `tensorflow-${VERSIONS.tensorflow}-${variant}-${process.platform}-${process.arch}-addon-${VERSIONS.addon}-r${VERSIONS.recipe}`;
  return join(cacheRoot(environment), 'native', key);
}

/** The engine in the cache, if setup finished and every file still has its size; `gpu` first, unless told. */
export function findNative(variants: readonly NativeVariant[] = ['gpu', 'cpu']): NativeInstall | undefined {
  for (const variant of variants) {
    const directory = nativeDirectory(variant);
    const record = readSetupRecord(directory);
    if (record !== undefined && record.files.every((file) => sizeOrZero(join(directory, file.path)) === file.bytes)) {
      return { directory, addonPath: join(directory, record.addon), record };
    }
  }
  return undefined;
}

/** `setup.json` of a folder, or undefined when it is missing, damaged or of another recipe. */
export function readSetupRecord(directory: string): SetupRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(join(directory, 'setup.json'), 'utf8')) as SetupRecord;
    return record.recipe === VERSIONS.recipe && Array.isArray(record.files) ? record : undefined;
  } catch (error) {
    // No file, or one that is no JSON: either way there is no engine here, and setup makes it anew.
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code !== undefined) return undefined;
    throw error;
  }
}

/** Files whose bytes differ from what setup recorded; reads all of them (about a second a GB). */
export function damagedFiles({ directory, record }: NativeInstall): string[] {
  return record.files.flatMap(({ path, sha256 }) => (sha256File(join(directory, path)) === sha256 ? [] : [path]));
}

function sizeOrZero(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
