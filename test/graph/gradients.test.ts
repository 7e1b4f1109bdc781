import { describe, it } from 'vitest';
import * as g from '../../src/graph/index.ts';
import type { Value } from '../../src/graph/index.ts';
import { checkGradient, randomData } from '../support/gradients.ts';

const positive = (shape: number[], seed = 7): Float32Array => randomData(shape, seed).map((x) => Math.abs(x) + 0.5);
const ints = (x: Value, values: number[]): Value => g.constant(x.graph, Int32Array.from(values), [values.length]);

describe('primitive gradients agree with finite differences', () => {
  it.each([
    ['add', g.add],
    ['sub', g.sub],
    ['mul', g.mul],
  ])('%s, with broadcasting on either side', (_name, op) => {
    checkGradient(
      [
        [2, 3],
        [2, 3],
      ],
      op,
    );
    checkGradient([[2, 3], [3]], op);
    checkGradient(
      [
        [2, 1],
        [4, 1, 3],
      ],
      op,
    );
  });
  it('div, with broadcasting', () => {
    checkGradient([[2, 3], [3]], g.div, { data: [randomData([2, 3], 1), positive([3])] });
  });
  it.each([
    ['neg', g.neg],
    ['exp', g.exp],
    ['square', g.square],
    ['sigmoid', g.sigmoid],
    ['tanh', g.tanh],
    ['erf', g.erf],
    ['softmax', g.softmax],
  ] as [string, (x: Value) => Value][])('%s', (_name, op) => checkGradient([[2, 4]], (x) => op(x)));
  it.each([
    ['log', g.log],
    ['sqrt', g.sqrt],
    ['rsqrt', g.rsqrt],
  ] as [string, (x: Value) => Value][])('%s of positive numbers', (_name, op) => {
    checkGradient([[2, 3]], (x) => op(x), { data: [positive([2, 3])] });
  });
  it('select sends the gradient to the branch taken', () => {
    checkGradient([[3, 2], [2]], (a, b) => g.select(g.greaterEqual(a, g.scalar(a.graph, 0)), g.mul(a, a), b));
  });
  it('sum and mean over any axes, kept or not', () => {
    checkGradient([[2, 3, 2]], (x) => g.sum(x, [0, 2]));
    checkGradient([[2, 3, 2]], (x) => g.mean(x, [1], true));
    checkGradient([[2, 3]], (x) => g.mul(g.sumAll(x), g.sumAll(x)));
  });
  it.each([
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ])('matmul, transposeA %s transposeB %s, with and without a batch', (transposeA, transposeB) => {
    const a = transposeA ? [4, 2] : [2, 4];
    const b = transposeB ? [3, 4] : [4, 3];
    checkGradient([a, b], (x, y) => g.matmul(x, y, { transposeA, transposeB }));
    checkGradient([[2, ...a], b], (x, y) => g.matmul(x, y, { transposeA, transposeB }));
  });
  it('reshape, transpose, slice, pad, concat and broadcast_to', () => {
    checkGradient([[2, 6]], (x) => g.mul(g.reshape(x, [3, 4]), g.reshape(x, [3, 4])));
    checkGradient([[2, 3, 4]], (x) => g.transpose(x, [2, 0, 1]));
    checkGradient([[2, 5]], (x) => g.slice(x, 1, 1, 3));
    checkGradient([[2, 2]], (x) => g.pad(x, 0, 1, 2));
    checkGradient(
      [
        [2, 2],
        [2, 3],
      ],
      (x, y) => g.concat([x, y, x], 1),
    );
    checkGradient([[2, 1]], (x) => g.broadcastTo(x, [3, 2, 4]));
  });
  it('gather, with repeated and missing rows, and segment_sum', () => {
    checkGradient([[4, 2]], (x) => g.gather(x, ints(x, [2, 0, 2])));
    checkGradient([[3, 2]], (x) => g.segmentSum(x, ints(x, [1, 1, 0]), 3));
  });
});

describe('composite gradients agree with finite differences', () => {
  it('linear, with bias', () => checkGradient([[2, 3], [4, 3], [4]], (x, w, b) => g.linear(x, w, b)));
  it('linear, stored [in, out]', () =>
    checkGradient([[2, 3], [3, 4], [4]], (x, w, b) => g.linear(x, w, b, { transposed: true })));
  it('rms_norm', () => checkGradient([[3, 4], [4]], (x, w) => g.rmsNorm(x, w, 1e-5)));
  it('split, with a part that is not used', () =>
    checkGradient([[2, 5]], (x) => {
      const [first, , last] = g.split(x, 1, [2, 1, 2]);
      return g.concat([first!, g.square(last!)], 1);
    }));
  it('layer_norm', () => checkGradient([[3, 4], [4], [4]], (x, w, b) => g.layerNorm(x, w, b, 1e-5)));
  it('swiglu', () =>
    checkGradient(
      [
        [2, 3],
        [2, 3],
      ],
      g.swiglu,
    ));
  it('gelu, exact and approximate', () => {
    checkGradient([[2, 3]], (x) => g.gelu(x, false));
    checkGradient([[2, 3]], (x) => g.gelu(x, true));
  });
  it('rotary', () => {
    const table = (x: Value, f: (angle: number) => number): Value =>
      g.constant(x.graph, Float32Array.from([0, 1, 2].flatMap((p) => [p, p / 3, p, p / 3].map(f))), [3, 4]);
    checkGradient([[2, 3, 4]], (x) => g.rotary(x, table(x, Math.cos), table(x, Math.sin)));
  });
  it.each([
    ['one block', 4, 4, 4],
    ['several blocks', 5, 5, 2],
    ['a band shorter than the sequence', 6, 2, 2],
  ])('attention in %s', (_name, length, band, blockSize) => {
    const blocks = g.causalBlocks(length, band, blockSize);
    checkGradient(
      [
        [1, 2, length, 2],
        [1, 1, length, 2],
        [1, 1, length, 2],
      ],
      (q, k, v) => {
        const masks = blocks.map(({ start, end, keyStart }) => {
          const [rows, columns] = [end - start, end - keyStart];
          const mask = Float32Array.from({ length: rows * columns }, (_, i) => {
            const [query, key] = [start + Math.floor(i / columns), keyStart + (i % columns)];
            return key <= query && key > query - band ? 0 : -1e9;
          });
          return g.constant(q.graph, mask, [1, 1, rows, columns]);
        });
        return g.attention(q, k, v, masks, blocks);
      },
    );
  });
  it.each([2, 3, 5])('token_loss in chunks of %i, with a padded position', (chunk) => {
    const weights = Float32Array.from([1, 0, 2, 1, 0.5]);
    checkGradient(
      [
        [5, 3],
        [4, 3],
      ],
      (hidden, head) =>
        g.tokenLoss(hidden, head, ints(hidden, [0, 3, 1, 2, 2]), g.constant(hidden.graph, weights, [5]), chunk),
    );
  });
});
