/** Recall and precision by exact Jaccard similarity, with words and shingles as strings. */
const NGRAM = 5;
/** Pairs whose similarity is computed; every one of the rest would only cost time. */
const PAIRS = 20_000;
const UNSPACED = String.raw`\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u318f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\u{20000}-\u{3ffff}`;
const WORD = new RegExp(String.raw`[${UNSPACED}]|(?:(?![${UNSPACED}])[\p{L}\p{Mc}0])+`, 'gu');

/**
 * @param result roots: the first row of each row's cluster; edges: pairs of rows that matched in a band, flat.
 * @param truth what writeCorpus returned.
 * @returns recall: of planted copies with Jaccard >= 0.8 those in the cluster of their original; precision: of dropped
 * rows those whose cluster begins with a row of their family, or one with Jaccard >= 0.8; edgesNear: of matched pairs
 * those with Jaccard >= 0.8.
 */
export function score({ roots, edges }, truth) {
  const cache = (truth.cache ??= new Map());
  const near = (a, b) => {
    const key = a < b ? a * 2 ** 26 + b : b * 2 ** 26 + a;
    if (!cache.has(key)) cache.set(key, jaccard(truth.texts[a], truth.texts[b]) >= 0.8);
    return cache.get(key);
  };
  let kept = 0;
  for (const [row, root] of roots.entries()) if (row === root) kept++;
  const planted = some(truth.planted).filter(([copy, original]) => near(copy, original));
  const found = planted.filter(([copy, original]) => roots[copy] === roots[original]);
  const dropped = some([...roots.keys()].filter((row) => roots[row] !== row));
  const right = dropped.filter((row) => truth.family[roots[row]] === truth.family[row] || near(row, roots[row]));
  const pairs = Array.from({ length: edges.length / 2 }, (_, i) => [edges[2 * i], edges[2 * i + 1]]);
  const pairsNear = some(pairs).filter(([a, b]) => near(a, b));
  return {
    kept,
    recall: found.length / planted.length,
    precision: right.length / dropped.length,
    edges: pairs.length,
    edgesNear: pairsNear.length / some(pairs).length,
  };
}

function some(items) {
  const step = Math.max(1, items.length / PAIRS);
  return Array.from({ length: Math.min(items.length, PAIRS) }, (_, i) => items[Math.floor(i * step)]);
}

function jaccard(a, b) {
  const [x, y] = [shingles(a), shingles(b)];
  let common = 0;
  for (const item of x) if (y.has(item)) common++;
  return common / (x.size + y.size - common);
}

function shingles(text) {
  const folded = text
    .toLowerCase()
    .normalize('NFD')
    .replaceAll(/[\p{Mn}\p{Me}\p{Cf}]/gu, '')
    .normalize('NFC')
    .replaceAll(/\p{N}+/gu, '0');
  const words = folded.match(WORD) ?? [];
  const found = new Set();
  for (let i = 0; i + NGRAM <= words.length; i++) found.add(words.slice(i, i + NGRAM).join(' '));
  return found.size > 0 ? found : new Set([words.join(' ')]);
}
