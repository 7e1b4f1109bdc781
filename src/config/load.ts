import path from 'node:path';
import { LlmkitErrors, LlmkitError } from '../core/errors.ts';
import { hashJson } from '../core/json.ts';
import { applyAliases } from './aliases.ts';
import { expandEnv } from './env.ts';
import { errorsOfIssues } from './issues.ts';
import { LoadedConfig } from './loaded.ts';
import { configError, displayPath } from './places.ts';
import { configSchema, jsonSchema, pathKeys } from './schema/config.ts';
import { treeOfSets } from './set.ts';
import { leaves, merge, toPlain, type KeyPath, type MapTree, type Place, type Tree } from './tree.ts';
import { readYaml } from './yaml.ts';

export interface LoadOptions {
  /** `key.path=value` arguments, over the file, later ones winning. */
  set?: readonly string[];
  env?: Record<string, string | undefined>;
  /** The folder that paths in `--set` are relative to. */
  cwd?: string;
}

/**
 * Reads a config file: `extends` below it, `--set` above it, aliases and `${ENV}` resolved, every default filled in.
 * @throws LlmkitErrors config: everything that is wrong, each with file, line and column.
 */
export function loadConfig(file: string, options: LoadOptions = {}): LoadedConfig {
  const cwd = options.cwd ?? process.cwd();
  const root = path.resolve(cwd, file);
  const folder = path.dirname(root);
  const errors: LlmkitError[] = [];
  const notes: string[] = [];

  let tree: Tree | undefined = readWithBases(root, [], errors, notes);
  const sets = treeOfSets(options.set ?? [], errors);
  if (sets?.kind === 'map') {
    notes.push(...applyAliases(sets, errors));
    tree = tree === undefined ? undefined : merge(tree, sets);
  }
  if (tree === undefined) throw collected(errors, root);
  expandEnv(tree, options.env ?? process.env, errors);
  rebasePaths(tree, folder, cwd);

  const value = toPlain(tree);
  const parsed = configSchema.safeParse(value);
  if (!parsed.success) errors.push(...errorsOfIssues(parsed.error.issues, tree, value, jsonSchema()));
  if (errors.length > 0 || !parsed.success) throw collected(errors, root);
  return new LoadedConfig({ config: parsed.data, notes, path: root, hash: hashJson(parsed.data), tree });
}

function collected(errors: LlmkitError[], root: string): LlmkitError {
  if (errors.length === 1) return errors[0]!;
  return new LlmkitErrors('config', `${errors.length} errors in ${displayPath(root)}`, [...errors].sort(byPlace));
}

/** In the order of the file, which is the order they are mended in. */
function byPlace(a: LlmkitError, b: LlmkitError): number {
  const [fileA, lineA, colA] = placeOf(a);
  const [fileB, lineB, colB] = placeOf(b);
  return fileA < fileB ? -1 : fileA > fileB ? 1 : lineA - lineB || colA - colB;
}

function placeOf(error: LlmkitError): [file: string, line: number, col: number] {
  const [, file = '', line = '0', col = '0'] = /^(.*?):(\d+):(\d+)/.exec(error.where ?? '') ?? [];
  return [file, Number(line), Number(col)];
}

/** One file on top of the files it extends. */
function readWithBases(
  file: string,
  chain: readonly string[],
  errors: LlmkitError[],
  notes: string[],
): MapTree | undefined {
  const own = readYaml(file, errors);
  if (own?.kind !== 'map') return undefined;
  notes.push(...applyAliases(own, errors));
  const entry = own.entries.get('extends');
  own.entries.delete('extends');
  let base: Tree | undefined;
  for (const { name, place } of entry === undefined ? [] : baseNames(entry.value, errors)) {
    const target = path.resolve(path.dirname(file), name);
    if ([...chain, file].includes(target)) {
      const round = [...chain, file, target].map((item) => displayPath(item)).join(' -> ');
      errors.push(configError('extends goes round in a circle', place, ['extends'], { got: round }));
      continue;
    }
    const before = errors.length;
    const below = readWithBases(target, [...chain, file], errors, notes);
    if (
      below === undefined &&
      errors.length === before + 1 &&
      errors.at(-1)!.message === 'there is no such config file'
    ) {
      errors.splice(
        -1,
        1,
        configError('extends names a file that is not there', place, ['extends'], { got: displayPath(target) }),
      );
    }
    if (below !== undefined) base = base === undefined ? below : merge(base, below);
  }
  return base === undefined ? own : (merge(base, own) as MapTree);
}

function baseNames(value: Tree, errors: LlmkitError[]): { name: string; place: Place }[] {
  const items = value.kind === 'list' ? value.items : [value];
  return items.flatMap((item) => {
    if (item.kind === 'leaf' && typeof item.value === 'string') return [{ name: item.value, place: item.place }];
    errors.push(
      configError('extends has a wrong value', item.place, ['extends'], { expected: 'a path, or a list of paths' }),
    );
    return [];
  });
}

/** Paths are relative to whoever wrote them; here they all become relative to the main file's folder. */
function rebasePaths(tree: Tree, folder: string, cwd: string): void {
  const patterns = pathKeys.map((key) => key.split('.'));
  for (const { path: keys, leaf } of leaves(tree)) {
    if (typeof leaf.value !== 'string' || leaf.value === '' || isInlineTemplate(leaf.value)) continue;
    if (!patterns.some((pattern) => matches(pattern, keys))) continue;
    const from = leaf.place.kind === 'file' ? path.dirname(leaf.place.file) : cwd;
    if (from === folder || path.isAbsolute(leaf.value)) continue;
    leaf.value = path.relative(folder, path.resolve(from, leaf.value)) || '.';
  }
}

/** A chat template may be a path or the template itself. */
export function isInlineTemplate(text: string): boolean {
  return text.includes('{%') || text.includes('{{') || text.includes('\n');
}

function matches(pattern: readonly string[], keys: KeyPath): boolean {
  return pattern.length === keys.length && pattern.every((step, i) => step === '*' || step === String(keys[i]));
}
