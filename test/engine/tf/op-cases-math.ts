import { constI32, f32, F32, I32, type OpCase, softmaxRow } from './ops.ts';

const a = [-2, -0.5, 0, 0.5, 1, 3];
const b = [2, 4, -1, 0.5, 8, -3];
const T = { T: F32 };

function unary(op: string, f: (x: number) => number, x = a): OpCase {
  return {
    op,
    attrs: T,
    inputs: [f32(x, [2, x.length / 2])],
    outputs: [{ dtype: 'f32', shape: [2, x.length / 2], expected: x.map(f) }],
    wasm: 'runs',
  };
}

function binary(op: string, f: (x: number, y: number) => number): OpCase[] {
  const same: OpCase = {
    op,
    attrs: T,
    inputs: [f32(a, [2, 3]), f32(b, [2, 3])],
    outputs: [{ dtype: 'f32', shape: [2, 3], expected: a.map((x, i) => f(x, b[i]!)) }],
    wasm: 'runs',
  };
  const row = [2, 4, -1];
  const broadcast: OpCase = {
    ...same,
    label: 'broadcast',
    inputs: [f32(a, [2, 3]), f32(row, [1, 3])],
    outputs: [{ dtype: 'f32', shape: [2, 3], expected: a.map((x, i) => f(x, row[i % 3]!)) }],
  };
  return [same, broadcast];
}

function compare(op: string, f: (x: number, y: number) => boolean): OpCase {
  const y = [-2, 0, 0, 0.25, 2, 3];
  return {
    op,
    attrs: T,
    inputs: [f32(a), f32(y)],
    outputs: [{ dtype: 'bool', shape: [6], expected: a.map((x, i) => Number(f(x, y[i]!))) }],
    wasm: 'runs',
  };
}

function reduce(op: string, rows: number[]): OpCase {
  return {
    op,
    attrs: { T: F32, Tidx: I32, keep_dims: { b: true } },
    inputs: [f32([1, 2, 6, -4, -8, 3], [2, 3]), constI32([1])],
    outputs: [{ dtype: 'f32', shape: [2, 1], expected: rows }],
    wasm: 'runs',
  };
}

function matmul(op: string, adjoint: [string, string], x: boolean, y: boolean): OpCase {
  // [[1,2,3],[4,5,6]] times [[1,0],[0,1],[1,1]], given transposed where the flag says so.
  return {
    op,
    label: `${x ? 'transposed' : 'plain'} x ${y ? 'transposed' : 'plain'}`,
    attrs: { T: F32, [adjoint[0]]: { b: x }, [adjoint[1]]: { b: y } },
    inputs: [
      x ? f32([1, 4, 2, 5, 3, 6], [3, 2]) : f32([1, 2, 3, 4, 5, 6], [2, 3]),
      y ? f32([1, 0, 1, 0, 1, 1], [2, 3]) : f32([1, 0, 0, 1, 1, 1], [3, 2]),
    ],
    outputs: [{ dtype: 'f32', shape: [2, 2], expected: [4, 5, 10, 11] }],
    wasm: 'runs',
  };
}

const p0 = softmaxRow([1, 2, 3]);
const p1 = softmaxRow([0, 0, 5]);
const erf: Record<number, number> = {
  [-2]: -0.9953222650189527,
  [-0.5]: -0.5204998778130465,
  0: 0,
  0.5: 0.5204998778130465,
  1: 0.8427007929497149,
  3: 0.9999779095030014,
};
const positive = [0.25, 0.5, 1, 2, 4, 9];

/** Arithmetic, comparisons, reductions and products. */
export const mathCases: OpCase[] = [
  { op: 'Identity', attrs: T, inputs: [f32(a)], outputs: [{ dtype: 'f32', shape: [6], expected: a }], wasm: 'runs' },
  ...[false, true].flatMap((x) => [false, true].map((y) => matmul('MatMul', ['transpose_a', 'transpose_b'], x, y))),
  ...[false, true].flatMap((x) => [false, true].map((y) => matmul('BatchMatMulV2', ['adj_x', 'adj_y'], x, y))),
  {
    op: 'BatchMatMulV2',
    label: 'batch of 2 with a shared right side',
    attrs: { T: F32, adj_x: { b: false }, adj_y: { b: false } },
    inputs: [f32([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2]), f32([1, 1, 0, 2], [1, 2, 2])],
    outputs: [{ dtype: 'f32', shape: [2, 2, 2], expected: [1, 5, 3, 11, 5, 17, 7, 23] }],
    wasm: 'runs',
  },
  ...binary('Add', (x, y) => x + y),
  ...binary('AddV2', (x, y) => x + y),
  ...binary('Sub', (x, y) => x - y),
  ...binary('Mul', (x, y) => x * y),
  ...binary('RealDiv', (x, y) => x / y),
  ...binary('Maximum', Math.max),
  ...binary('Minimum', Math.min),
  unary('Neg', (x) => -x),
  unary('Exp', Math.exp),
  unary('Log', Math.log, positive),
  unary('Rsqrt', (x) => 1 / Math.sqrt(x), positive),
  unary('Sqrt', Math.sqrt, positive),
  unary('Square', (x) => x * x),
  unary('Sigmoid', (x) => 1 / (1 + Math.exp(-x))),
  unary('Tanh', Math.tanh),
  unary('Erf', (x) => erf[x]!),
  unary('ZerosLike', () => 0),
  {
    op: 'Softmax',
    attrs: T,
    inputs: [f32([1, 2, 3, 0, 0, 5], [2, 3])],
    outputs: [{ dtype: 'f32', shape: [2, 3], expected: [...p0, ...p1] }],
    wasm: 'runs',
  },
  { ...reduce('Sum', [9, -9]) },
  { ...reduce('Mean', [3, -3]) },
  { ...reduce('Max', [6, 3]) },
  compare('Equal', (x, y) => x === y),
  compare('Greater', (x, y) => x > y),
  compare('GreaterEqual', (x, y) => x >= y),
  compare('Less', (x, y) => x < y),
];
