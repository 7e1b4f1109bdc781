/** How often two sets match, by Fast Similarity Sketching and by MinHash with independent functions. */
import { matchProbability } from '../../dist/data/dedup/bands.js';
import { Sketch } from '../../dist/data/dedup/sketch.js';
import { mix } from '../../dist/data/dedup/words.js';
import { randomNumbers } from './corpus.mjs';

const BANDS = 14;
const ROWS = 8;
const SIZE = BANDS * ROWS;
/** Independent MinHash takes SIZE hashes a key, so larger sets are tried less often. */
const MOST_KEYS = 400_000;

export function printCurve(trials) {
  const random = randomNumbers(7);
  const key = () => [random() * 2 ** 32, random() * 2 ** 32];
  const functions = Array.from({ length: SIZE }, key);
  const sketch = new Sketch(SIZE);
  const methods = { fss: (keys) => fast(sketch, keys), independent: (keys) => independent(functions, keys) };
  console.log(
    `${BANDS} bands x ${ROWS} rows. P: part of trials with a band in common; deviation: of the estimated similarity.`,
  );
  console.log('| shingles | J | formula | +- | fss P | independent P | fss deviation | independent deviation |');
  for (const size of [10, 30, 100, 1000, 10_000]) {
    const rounds = Math.max(40, Math.min(trials, Math.floor((MOST_KEYS * trials) / 2000 / size)));
    for (const wanted of [0.5, 0.6, 0.7, 0.8, 0.9, 0.95]) {
      const common = Math.round(size * wanted);
      if (common === size) continue;
      const sums = Object.fromEntries(Object.keys(methods).map((name) => [name, { matches: 0, squares: 0 }]));
      for (let round = 0; round < rounds; round++) {
        const both = Array.from({ length: common }, key);
        const [a, b] = [[...both], [...both]];
        for (let i = common; i < size; i++) (i % 2 === 0 ? a : b).push(key());
        for (const [name, method] of Object.entries(methods)) {
          const [x, y] = [method(a), method(b)];
          const equal = Array.from(x, (value, i) => (value === y[i] ? 1 : 0));
          const estimate = equal.reduce((p, q) => p + q) / SIZE;
          sums[name].squares += (estimate - common / size) ** 2;
          const band = (i) => equal.slice(i * ROWS, (i + 1) * ROWS).every((value) => value === 1);
          if (Array.from({ length: BANDS }, (_, i) => i).some(band)) sums[name].matches++;
        }
      }
      const expected = matchProbability(common / size, BANDS, ROWS);
      const error = Math.sqrt((expected * (1 - expected)) / rounds);
      const columns = [
        size,
        (common / size).toFixed(2),
        expected.toFixed(4),
        error.toFixed(4),
        ...Object.values(sums).map(({ matches }) => (matches / rounds).toFixed(4)),
        ...Object.values(sums).map(({ squares }) => Math.sqrt(squares / rounds).toFixed(4)),
      ];
      console.log(`| ${columns.join(' | ')} |`);
    }
  }
}

function fast(sketch, keys) {
  sketch.clear();
  sketch.room(keys.length);
  for (const [i, [low, high]] of keys.entries()) {
    sketch.low[i] = low;
    sketch.high[i] = high;
  }
  sketch.add(keys.length);
  sketch.finish();
  return sketch.values.slice();
}

function independent(functions, keys) {
  return Uint32Array.from(functions, ([c, d]) => {
    let least = 0xffffffff;
    for (const [low, high] of keys) least = Math.min(least, mix(mix((low + c) | 0) ^ ((high + d) | 0)) >>> 0);
    return least;
  });
}
