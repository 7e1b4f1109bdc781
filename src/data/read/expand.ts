import { readdirSync, readFileSync, realpathSync, statSync, type Stats } from 'node:fs';
import { basename, join, relative, sep } from 'node:path';
import { displayPath } from '../../config/index.ts';
import { LlmkitError } from '../../core/errors.ts';
import { expandGlob } from '../../io/duckdb.ts';

/** What `save_to_disk` and dataset repositories put beside the data. */
const METADATA = new Set(['dataset_info.json', 'dataset_infos.json', 'dataset_dict.json', 'state.json']);

/** Files that a path stands for, and how they were found. */
export interface Expanded {
  paths: string[];
  /** The path itself was a folder: what is in it was not named by anyone. */
  fromFolder: boolean;
}

/**
 * The files that a path means: itself; all data files in a folder and the folders in it; those that match a pattern.
 * Sorted; a file that has two names is taken once; hidden files and folders are passed over.
 *
 * @param isData tells data files in a folder from others by their names.
 * @throws LlmkitError('data') when there are none, naming `where`.
 */
export async function expand(
  path: string,
  where: string,
  isData: (path: string) => boolean,
  expected: string,
): Promise<Expanded> {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats?.isFile() === true) return { paths: [path], fromFolder: false };
  if (stats?.isDirectory() === true) {
    const paths = once(filesIn(path, where, isData));
    if (paths.length > 0) return { paths, fromFolder: true };
    throw new LlmkitError('data', `the folder ${displayPath(path)} holds no data files`, { where, expected });
  }
  if (/[*?[]/.test(path)) {
    const matches = (await expandGlob(path)).filter((match) => !isHidden(match, path) && statOf(match, where).isFile());
    if (matches.length > 0) return { paths: once(matches), fromFolder: false };
    throw new LlmkitError('data', `no file matches ${displayPath(path)}`, { where, expected });
  }
  throw new LlmkitError('data', `there is no file ${displayPath(path)}`, {
    where,
    ...(stats === undefined ? {} : { got: 'something that is neither file nor folder' }),
    hint: 'paths in a config are relative to the config file',
  });
}

function filesIn(
  dir: string,
  where: string,
  isData: (path: string) => boolean,
  above: readonly string[] = [],
): string[] {
  const real = realpathSync(dir);
  // A link to a folder above would go round for ever.
  if (above.includes(real)) return [];
  const names = readdirSync(dir).sort();
  if (names.includes('state.json') && names.includes('dataset_info.json')) return shardsOfDataset(dir);
  if (names.includes('dataset_dict.json')) throw severalSplits(dir, where);
  const files: string[] = [];
  for (const name of names) {
    if (name.startsWith('.') || METADATA.has(name)) continue;
    const path = join(dir, name);
    const stats = statOf(path, where);
    if (stats.isDirectory()) files.push(...filesIn(path, where, isData, [...above, real]));
    else if (stats.isFile() && isData(path)) files.push(path);
  }
  return files;
}

function statOf(path: string, where: string): Stats {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats !== undefined) return stats;
  throw new LlmkitError('data', `${displayPath(path)} is a link to a file that is not there`, {
    where,
    hint: 'remove the link, or name the files by a pattern',
  });
}

/** The files of a dataset that `save_to_disk` wrote, in its own order. */
function shardsOfDataset(dir: string): string[] {
  const path = join(dir, 'state.json');
  try {
    const state = JSON.parse(readFileSync(path, 'utf8')) as { _data_files: { filename: string }[] };
    return state._data_files.map(({ filename }) => join(dir, filename));
  } catch (error) {
    throw new LlmkitError('data', `${displayPath(path)} does not list the files of a dataset`, {
      where: path,
      expected: 'what datasets.save_to_disk writes',
      cause: error,
    });
  }
}

function severalSplits(dir: string, where: string): LlmkitError {
  const path = join(dir, 'dataset_dict.json');
  const splits = (/"splits"\s*:\s*\[([^\]]*)\]/.exec(readFileSync(path, 'utf8'))?.[1] ?? '').replaceAll('"', '').trim();
  return new LlmkitError('data', `the folder ${displayPath(dir)} holds a dataset of several splits`, {
    where,
    got: `splits ${splits}`,
    hint: `name one of them: path: ${displayPath(join(dir, splits.split(/,\s*/)[0]!))}`,
  });
}

/** A hidden file or folder that the pattern does not name itself. */
function isHidden(path: string, pattern: string): boolean {
  const base = pattern.slice(0, pattern.search(/[*?[]/));
  const from = base.slice(0, base.lastIndexOf(sep) + 1);
  const hidden = (part: string) => part.startsWith('.') && part !== '.' && part !== '..';
  return relative(from, path).split(sep).some(hidden) && !basename(pattern).startsWith('.');
}

/** Without files that links let in twice. */
function once(paths: readonly string[]): string[] {
  const seen = new Set<string>();
  return paths.filter((path) => {
    const real = realpathSync(path);
    if (seen.has(real)) return false;
    seen.add(real);
    return true;
  });
}
