import * as g from '../../src/graph/index.ts';
import type { Value } from '../../src/graph/index.ts';

export interface OpCase {
  name: string;
  shapes: number[][];
  build: (...inputs: Value[]) => Value;
  /** Inputs are made positive, for roots and logarithms. */
  positive?: boolean;
}

const ints = (x: Value, values: number[]): Value => g.constant(x.graph, Int32Array.from(values), [values.length]);

/** One small graph for every op of the graph room: engines are compared with the reference interpreter on them. */
export const opZoo: OpCase[] = [
  { name: 'add', shapes: [[2, 3], [3]], build: g.add },
  {
    name: 'sub',
    shapes: [
      [2, 1],
      [2, 3],
    ],
    build: g.sub,
  },
  {
    name: 'mul',
    shapes: [
      [2, 1, 3],
      [4, 3],
    ],
    build: g.mul,
  },
  { name: 'div', shapes: [[2, 3], [3]], build: g.div, positive: true },
  { name: 'maximum', shapes: [[2, 3], [3]], build: g.maximum },
  { name: 'minimum', shapes: [[2, 3], [3]], build: g.minimum },
  { name: 'neg', shapes: [[2, 3]], build: g.neg },
  { name: 'exp', shapes: [[2, 3]], build: g.exp },
  { name: 'log', shapes: [[2, 3]], build: g.log, positive: true },
  { name: 'sqrt', shapes: [[2, 3]], build: g.sqrt, positive: true },
  { name: 'rsqrt', shapes: [[2, 3]], build: g.rsqrt, positive: true },
  { name: 'square', shapes: [[2, 3]], build: g.square },
  { name: 'sigmoid', shapes: [[2, 3]], build: g.sigmoid },
  { name: 'tanh', shapes: [[2, 3]], build: g.tanh },
  { name: 'erf', shapes: [[2, 3]], build: g.erf },
  { name: 'softmax', shapes: [[2, 3, 4]], build: g.softmax },
  { name: 'sum', shapes: [[2, 3, 4]], build: (x) => g.sum(x, [0, 2]) },
  { name: 'mean, axes kept', shapes: [[2, 3, 4]], build: (x) => g.mean(x, [-1], true) },
  { name: 'max', shapes: [[2, 3, 4]], build: (x) => g.max(x, [1]) },
  { name: 'reshape', shapes: [[2, 6]], build: (x) => g.reshape(x, [3, 4]) },
  { name: 'transpose', shapes: [[2, 3, 4, 2]], build: (x) => g.transpose(x, [0, 2, 1, 3]) },
  {
    name: 'concat',
    shapes: [
      [2, 3],
      [2, 2],
    ],
    build: (x, y) => g.concat([x, y], 1),
  },
  { name: 'slice', shapes: [[2, 5, 3]], build: (x) => g.slice(x, 1, 1, 3) },
  { name: 'pad', shapes: [[2, 3]], build: (x) => g.pad(x, 1, 2, 1) },
  { name: 'broadcast_to', shapes: [[2, 1]], build: (x) => g.broadcastTo(x, [3, 2, 4]) },
  { name: 'gather', shapes: [[4, 3]], build: (x) => g.gather(x, ints(x, [3, 0, 3])) },
  { name: 'gather along axis 1', shapes: [[2, 4, 3]], build: (x) => g.gather(x, ints(x, [3, 0]), 1) },
  { name: 'segment_sum', shapes: [[3, 2]], build: (x) => g.segmentSum(x, ints(x, [1, 3, 1]), 4) },
  { name: 'cast to integers and back', shapes: [[2, 3]], build: (x) => g.cast(g.cast(g.scale(x, 10), 'i32'), 'f32') },
  {
    name: 'comparison, logic and select',
    shapes: [[2, 3], [3]],
    build: (x, y) => g.select(g.logicalAnd(g.greaterEqual(x, y), g.equal(x, x)), x, g.neg(y)),
  },
  {
    name: 'integer arithmetic and comparison',
    shapes: [[3]],
    build: (x) => {
      const difference = g.sub(ints(x, [5, 2, 9]), ints(x, [1, 2, 11]));
      return g.select(g.greaterEqual(difference, ints(x, [0, 0, 0])), x, g.neg(x));
    },
  },
  ...[false, true].flatMap((transposeA) =>
    [false, true].map((transposeB) => ({
      name: `matmul, transposeA ${transposeA}, transposeB ${transposeB}`,
      shapes: [transposeA ? [2, 4, 3] : [2, 3, 4], transposeB ? [2, 5, 4] : [2, 4, 5]],
      build: (x: Value, y: Value) => g.matmul(x, y, { transposeA, transposeB }),
    })),
  ),
  { name: 'linear', shapes: [[2, 3, 4], [5, 4], [5]], build: (x, w, b) => g.linear(x, w, b) },
  {
    name: 'linear, transposed',
    shapes: [[2, 3, 4], [4, 5], [5]],
    build: (x, w, b) => g.linear(x, w, b, { transposed: true }),
  },
  { name: 'rms_norm', shapes: [[3, 4], [4]], build: (x, w) => g.rmsNorm(x, w, 1e-5) },
  { name: 'layer_norm', shapes: [[3, 4], [4], [4]], build: (x, w, b) => g.layerNorm(x, w, b, 1e-5) },
  {
    name: 'swiglu',
    shapes: [
      [2, 3],
      [2, 3],
    ],
    build: g.swiglu,
  },
  { name: 'gelu', shapes: [[2, 3]], build: (x) => g.gelu(x, false) },
  { name: 'gelu, approximate', shapes: [[2, 3]], build: (x) => g.gelu(x, true) },
  {
    name: 'rotary',
    shapes: [
      [2, 3, 4],
      [3, 4],
      [3, 4],
    ],
    build: (x, cos, sin) => g.rotary(x, cos, sin),
  },
  {
    name: 'attention in blocks',
    shapes: [
      [1, 4, 6, 2],
      [1, 2, 6, 2],
      [1, 2, 6, 2],
    ],
    build: (q, k, v) => {
      const blocks = g.causalBlocks(6, 3, 2);
      const masks = blocks.map(({ start, end, keyStart }) => {
        const [rows, columns] = [end - start, end - keyStart];
        const mask = Float32Array.from({ length: rows * columns }, (_, i) =>
          keyStart + (i % columns) <= start + Math.floor(i / columns) ? 0 : -1e9,
        );
        return g.constant(q.graph, mask, [1, 1, rows, columns]);
      });
      return g.attention(q, k, v, masks, blocks);
    },
  },
  {
    name: 'token_loss in chunks',
    shapes: [
      [5, 3],
      [4, 3],
    ],
    build: (hidden, head) => {
      const weights = g.constant(hidden.graph, Float32Array.from([1, 0, 2, 1, 0.5]), [5]);
      return g.tokenLoss(hidden, head, ints(hidden, [0, 3, 1, 2, 2]), weights, 2);
    },
  },
];
