/** Where a piece of config was written. */
export type Place = { kind: 'file'; file: string; line: number; col: number } | { kind: 'set'; argument: string };

/** A value with the place it was written at, at every depth, so that merged files still report the right line. */
export type Tree = Leaf | ListTree | MapTree;

export interface Leaf {
  kind: 'leaf';
  value: unknown;
  /** Unquoted in YAML: after `${ENV}` expansion it is read as YAML again, so that numbers are numbers. */
  plain: boolean;
  place: Place;
}

export interface ListTree {
  kind: 'list';
  items: Tree[];
  place: Place;
}

export interface MapTree {
  kind: 'map';
  entries: Map<string, Entry>;
  place: Place;
  /** Takes the place of what is below it instead of merging with it. */
  whole?: boolean;
}

export interface Entry {
  /** Of the key itself. */
  place: Place;
  value: Tree;
}

export type KeyPath = readonly (string | number)[];

export function toPlain(tree: Tree): unknown {
  if (tree.kind === 'leaf') return tree.value;
  if (tree.kind === 'list') return tree.items.map(toPlain);
  return Object.fromEntries([...tree.entries].map(([key, entry]) => [key, toPlain(entry.value)]));
}

/**
 * `over` on top of `base`: maps merge key by key, anything else is replaced whole, and an empty map leaves nothing of the
 * one below it. `{0: x}` over a list changes item 0.
 */
export function merge(base: Tree, over: Tree): Tree {
  if (base.kind === 'list' && over.kind === 'map' && over.place.kind === 'set' && over.whole !== true)
    return mergeItems(base, over);
  if (base.kind !== 'map' || over.kind !== 'map' || over.whole === true) return over;
  const entries = new Map(base.entries);
  for (const [key, entry] of over.entries) {
    const below = entries.get(key);
    const empties = entry.value.kind === 'map' && entry.value.entries.size === 0;
    entries.set(
      key,
      below === undefined || empties ? entry : { place: entry.place, value: merge(below.value, entry.value) },
    );
  }
  const place = over.place.kind === 'set' ? base.place : over.place;
  return { kind: 'map', entries, place, ...(base.whole === true ? { whole: true } : {}) };
}

function mergeItems(base: ListTree, over: MapTree): Tree {
  const items = [...base.items];
  for (const [key, entry] of over.entries) {
    const index = Number(key);
    const below = items[index];
    if (!Number.isInteger(index) || index < 0 || index > items.length) return over;
    items[index] = below === undefined ? entry.value : merge(below, entry.value);
  }
  return { ...base, items };
}

/** The nearest thing to `path` that was written: its key's place, its value's, and how much of the path exists. */
export function locate(tree: Tree, path: KeyPath): { key: Place; value: Place; depth: number } {
  let current = tree;
  let key = tree.place;
  for (const [depth, step] of path.entries()) {
    if (current.kind === 'map') {
      const entry = current.entries.get(String(step));
      if (entry === undefined) return { key, value: current.place, depth };
      key = entry.place;
      current = entry.value;
    } else if (current.kind === 'list') {
      const item = current.items[Number(step)];
      if (item === undefined) return { key, value: current.place, depth };
      key = item.place;
      current = item;
    } else {
      return { key, value: current.place, depth };
    }
  }
  return { key, value: current.place, depth: path.length };
}

/** Every leaf with its path, in the order written. */
export function* leaves(tree: Tree, path: KeyPath = []): Generator<{ path: KeyPath; leaf: Leaf }> {
  if (tree.kind === 'leaf') yield { path, leaf: tree };
  else if (tree.kind === 'list') for (const [i, item] of tree.items.entries()) yield* leaves(item, [...path, i]);
  else for (const [key, entry] of tree.entries) yield* leaves(entry.value, [...path, key]);
}

export function formatPath(path: KeyPath): string {
  return path.join('.');
}
