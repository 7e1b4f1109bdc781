import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** Where a result came from, for its manifest. */
export interface Provenance {
  /** llmkit's, Node's and those of the libraries that shape results. */
  versions: Record<string, string>;
  /** Revision of the repository the user works in, where there is one. */
  git?: string;
}

/** Libraries that read, encode or compute; the version of TensorFlow itself stands in a manifest's `engine`. */
const LIBRARIES = [
  '@duckdb/node-api',
  '@huggingface/jinja',
  '@huggingface/tokenizers',
  '@tensorflow/tfjs-core',
  'apache-arrow',
  'onnxruntime-node',
];

/** @param dir a folder of the user's project: that of the config, or the one the command runs in */
export function provenance(dir: string = process.cwd()): Provenance {
  const git = gitRevision(dir);
  return { versions: versions(), ...(git === undefined ? {} : { git }) };
}

function versions(): Record<string, string> {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  // The dependencies are pinned: what package.json says is what is installed.
  const { version, dependencies } = JSON.parse(text) as { version: string; dependencies: Record<string, string> };
  const libraries = LIBRARIES.flatMap((name): [string, string][] => {
    const pinned = dependencies[name];
    return pinned === undefined ? [] : [[name, pinned]];
  });
  return { llmkit: version, node: process.versions.node, ...Object.fromEntries(libraries) };
}

/** The commit that the repository around `dir` has checked out; undefined outside of one. Needs no git. */
export function gitRevision(dir: string): string | undefined {
  const git = gitFolder(resolve(dir));
  if (git === undefined) return undefined;
  const head = readIfThere(join(git, 'HEAD'))?.trim();
  const ref = head?.startsWith('ref: ') === true ? head.slice(5) : undefined;
  if (ref === undefined) return head;
  // A worktree keeps its own HEAD, and shares the refs.
  const common = resolve(git, readIfThere(join(git, 'commondir'))?.trim() ?? '.');
  const packed = readIfThere(join(common, 'packed-refs'))?.split('\n');
  return (
    readIfThere(join(common, ref))?.trim() ??
    packed?.find((line) => line.endsWith(` ${ref}`))?.slice(0, -ref.length - 1)
  );
}

/** The `.git` folder of the nearest repository upwards; in a worktree or submodule `.git` is a file that names it. */
function gitFolder(start: string): string | undefined {
  for (let folder = start; ; folder = dirname(folder)) {
    const git = join(folder, '.git');
    const stats = statSync(git, { throwIfNoEntry: false });
    if (stats?.isDirectory() === true) return git;
    const named = stats?.isFile() === true ? /^gitdir: (.+)$/m.exec(readFileSync(git, 'utf8'))?.[1] : undefined;
    if (named !== undefined) return resolve(folder, named);
    if (dirname(folder) === folder) return undefined;
  }
}

function readIfThere(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}
