import { bool, constF32, constI32, f32, F32, i32, I32, type OpCase } from './ops.ts';

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

const softmaxRow = (row: number[]): number[] => {
  const e = row.map((x) => Math.exp(x));
  const sum = e.reduce((s, x) => s + x, 0);
  return e.map((x) => x / sum);
};
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

export const opCases: OpCase[] = [
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
  {
    op: 'Reshape',
    attrs: { T: F32, Tshape: I32 },
    inputs: [f32(a, [2, 3]), constI32([3, 2])],
    outputs: [{ dtype: 'f32', shape: [3, 2], expected: a }],
    wasm: 'runs',
  },
  {
    op: 'Transpose',
    attrs: { T: F32, Tperm: I32 },
    inputs: [f32(a, [2, 3]), constI32([1, 0])],
    outputs: [{ dtype: 'f32', shape: [3, 2], expected: [-2, 0.5, -0.5, 1, 0, 3] }],
    wasm: 'runs',
  },
  {
    op: 'Transpose',
    label: '[b, s, h, d] to [b, h, s, d]',
    attrs: { T: F32, Tperm: I32 },
    inputs: [f32([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 2, 2]), constI32([0, 2, 1, 3])],
    outputs: [{ dtype: 'f32', shape: [1, 2, 2, 2], expected: [1, 2, 5, 6, 3, 4, 7, 8] }],
    wasm: 'runs',
  },
  {
    op: 'StridedSlice',
    attrs: {
      T: F32,
      Index: I32,
      begin_mask: { i: 1 },
      end_mask: { i: 1 },
      ellipsis_mask: { i: 0 },
      new_axis_mask: { i: 0 },
      shrink_axis_mask: { i: 0 },
    },
    inputs: [f32(a, [2, 3]), constI32([0, 1]), constI32([0, 3]), constI32([1, 1])],
    outputs: [{ dtype: 'f32', shape: [2, 2], expected: [-0.5, 0, 1, 3] }],
    wasm: 'runs',
  },
  {
    op: 'Slice',
    attrs: { T: F32, Index: I32 },
    inputs: [f32(a, [2, 3]), constI32([0, 1]), constI32([2, 2])],
    outputs: [{ dtype: 'f32', shape: [2, 2], expected: [-0.5, 0, 1, 3] }],
    wasm: 'runs',
  },
  {
    op: 'ConcatV2',
    attrs: { T: F32, Tidx: I32, N: { i: 2 } },
    inputs: [f32([1, 2], [2, 1]), f32([3, 4, 5, 6], [2, 2]), constI32([1], [])],
    outputs: [{ dtype: 'f32', shape: [2, 3], expected: [1, 3, 4, 2, 5, 6] }],
    wasm: 'runs',
  },
  {
    op: 'GatherV2',
    attrs: { Tparams: F32, Tindices: I32, Taxis: I32, batch_dims: { i: 0 } },
    inputs: [f32([1, 2, 3, 4, 5, 6], [3, 2]), i32([2, 0, 2]), constI32([0], [])],
    outputs: [{ dtype: 'f32', shape: [3, 2], expected: [5, 6, 1, 2, 5, 6] }],
    wasm: 'runs',
  },
  {
    op: 'Cast',
    label: 'f32 to i32',
    attrs: { SrcT: F32, DstT: I32, Truncate: { b: false } },
    inputs: [f32([1.7, -1.7, 3])],
    outputs: [{ dtype: 'i32', shape: [3], expected: [1, -1, 3] }],
    wasm: 'runs',
  },
  {
    op: 'Cast',
    label: 'i32 to f32',
    attrs: { SrcT: I32, DstT: F32, Truncate: { b: false } },
    inputs: [i32([1, -2])],
    outputs: [{ dtype: 'f32', shape: [2], expected: [1, -2] }],
    wasm: 'runs',
  },
  {
    op: 'Cast',
    label: 'bool to f32',
    attrs: { SrcT: { type: 'bool' }, DstT: F32, Truncate: { b: false } },
    inputs: [bool([1, 0])],
    outputs: [{ dtype: 'f32', shape: [2], expected: [1, 0] }],
    wasm: 'runs',
  },
  {
    op: 'Bitcast',
    label: 'i32 to f32',
    attrs: { T: I32, type: F32 },
    inputs: [i32([0x3f800000, 0x40000000])],
    outputs: [{ dtype: 'f32', shape: [2], expected: [1, 2] }],
    wasm: 'lacks',
  },
  {
    op: 'Select',
    attrs: T,
    inputs: [bool([1, 0, 1]), f32([1, 2, 3]), f32([4, 5, 6])],
    outputs: [{ dtype: 'f32', shape: [3], expected: [1, 5, 3] }],
    wasm: 'runs',
  },
  {
    op: 'SelectV2',
    attrs: T,
    inputs: [bool([1, 0, 1]), f32([1, 2, 3]), f32([4, 5, 6])],
    outputs: [{ dtype: 'f32', shape: [3], expected: [1, 5, 3] }],
    wasm: 'runs',
  },
  {
    op: 'SelectV2',
    label: 'broadcast',
    attrs: T,
    inputs: [bool([1, 0], [2, 1]), f32([1, 2, 3, 4], [2, 2]), constF32([-9], [])],
    outputs: [{ dtype: 'f32', shape: [2, 2], expected: [1, 2, -9, -9] }],
    wasm: 'runs',
  },
  compare('Equal', (x, y) => x === y),
  compare('Greater', (x, y) => x > y),
  compare('GreaterEqual', (x, y) => x >= y),
  compare('Less', (x, y) => x < y),
  {
    op: 'LogicalAnd',
    attrs: {},
    inputs: [bool([1, 1, 0, 0]), bool([1, 0, 1, 0])],
    outputs: [{ dtype: 'bool', shape: [4], expected: [1, 0, 0, 0] }],
    wasm: 'runs',
  },
  ...(
    [
      ['inside', [2, 0, 1], [0, 0, 1, 1, 0, 0, 0, 1, 0], 'runs'],
      ['of an index outside', [2, 0, -1], [0, 0, 1, 1, 0, 0, 0, 0, 0], 'runs'],
    ] as const
  ).map(([label, indices, expected, wasm]): OpCase => ({
    op: 'OneHot',
    label,
    attrs: { T: F32, TI: I32, axis: { i: -1 } },
    inputs: [i32([...indices]), constI32([3], []), constF32([1], []), constF32([0], [])],
    outputs: [{ dtype: 'f32', shape: [3, 3], expected: [...expected] }],
    wasm,
  })),
  {
    op: 'Range',
    attrs: { Tidx: I32 },
    inputs: [constI32([0], []), constI32([6], []), constI32([2], [])],
    outputs: [{ dtype: 'i32', shape: [3], expected: [0, 2, 4] }],
    wasm: 'runs',
  },
  {
    op: 'UnsortedSegmentSum',
    attrs: { T: F32, Tindices: I32, Tnumsegments: I32 },
    inputs: [f32([1, 2, 3, 4, 5, 6], [3, 2]), i32([1, 0, 1]), constI32([2], [])],
    outputs: [{ dtype: 'f32', shape: [2, 2], expected: [3, 4, 6, 8] }],
    wasm: 'runs',
  },
  {
    op: 'ScatterNd',
    label: 'repeated rows add up',
    attrs: { T: F32, Tindices: I32 },
    inputs: [i32([1, 0, 1], [3, 1]), f32([1, 2, 3, 4, 5, 6], [3, 2]), constI32([2, 2])],
    outputs: [{ dtype: 'f32', shape: [2, 2], expected: [3, 4, 6, 8] }],
    wasm: 'runs',
  },
  {
    op: 'SparseSoftmaxCrossEntropyWithLogits',
    attrs: { T: F32, Tlabels: I32 },
    inputs: [f32([1, 2, 3, 0, 0, 5], [2, 3]), i32([2, 0])],
    outputs: [
      { dtype: 'f32', shape: [2], expected: [-Math.log(p0[2]!), -Math.log(p1[0]!)] },
      { dtype: 'f32', shape: [2, 3], expected: [p0[0]!, p0[1]!, p0[2]! - 1, p1[0]! - 1, p1[1]!, p1[2]!] },
    ],
    wasm: 'runs',
  },
  {
    op: 'ArgMax',
    attrs: { T: F32, Tidx: I32, output_type: I32 },
    inputs: [f32([1, 9, 6, -4, -8, -3], [2, 3]), constI32([1], [])],
    outputs: [{ dtype: 'i32', shape: [2], expected: [1, 2] }],
    wasm: 'runs',
  },
  {
    op: 'Pad',
    attrs: { T: F32, Tpaddings: I32 },
    inputs: [f32([1, 2], [1, 2]), constI32([0, 1, 1, 0], [2, 2])],
    outputs: [{ dtype: 'f32', shape: [2, 3], expected: [0, 1, 2, 0, 0, 0] }],
    wasm: 'runs',
  },
  {
    op: 'AddN',
    attrs: { T: F32, N: { i: 3 } },
    inputs: [f32([1, 2]), f32([3, 4]), f32([5, 6])],
    outputs: [{ dtype: 'f32', shape: [2], expected: [9, 12] }],
    wasm: 'runs',
  },
  {
    op: 'Split',
    attrs: { T: F32, num_split: { i: 3 } },
    inputs: [constI32([1], []), f32([1, 2, 3, 4, 5, 6], [2, 3])],
    outputs: [1, 2, 3].map((x) => ({ dtype: 'f32', shape: [2, 1], expected: [x, x + 3] })),
    wasm: 'runs',
  },
  {
    op: 'SplitV',
    attrs: { T: F32, Tlen: I32, num_split: { i: 2 } },
    inputs: [f32([1, 2, 3, 4, 5, 6], [2, 3]), constI32([1, 2]), constI32([1], [])],
    outputs: [
      { dtype: 'f32', shape: [2, 1], expected: [1, 4] },
      { dtype: 'f32', shape: [2, 2], expected: [2, 3, 5, 6] },
    ],
    wasm: 'runs',
  },
  {
    op: 'Tile',
    attrs: { T: F32, Tmultiples: I32 },
    inputs: [f32([1, 2], [1, 2]), constI32([2, 2])],
    outputs: [{ dtype: 'f32', shape: [2, 4], expected: [1, 2, 1, 2, 1, 2, 1, 2] }],
    wasm: 'runs',
  },
  {
    op: 'Cumsum',
    attrs: { T: F32, Tidx: I32, exclusive: { b: false }, reverse: { b: false } },
    inputs: [f32([1, 2, 3, 4, 5, 6], [2, 3]), constI32([1], [])],
    outputs: [{ dtype: 'f32', shape: [2, 3], expected: [1, 3, 6, 4, 9, 15] }],
    wasm: 'runs',
  },
  {
    op: 'Fill',
    attrs: { T: F32, index_type: I32 },
    inputs: [constI32([2, 2]), constF32([7], [])],
    outputs: [{ dtype: 'f32', shape: [2, 2], expected: [7, 7, 7, 7] }],
    wasm: 'runs',
  },
  {
    op: 'BroadcastTo',
    attrs: { T: F32, Tidx: I32 },
    inputs: [f32([1, 2], [2, 1]), constI32([2, 3])],
    outputs: [{ dtype: 'f32', shape: [2, 3], expected: [1, 1, 1, 2, 2, 2] }],
    wasm: 'runs',
  },
  {
    op: 'Cholesky',
    attrs: T,
    inputs: [f32([4, 2, 2, 5], [2, 2])],
    outputs: [{ dtype: 'f32', shape: [2, 2], expected: [2, 0, 1, 2] }],
    wasm: 'lacks',
  },
];

/** The shapes and types that decoders use beyond the plain ones: high ranks, masks, integers, edges. */
export const hardCases: OpCase[] = [
  {
    op: 'Softmax',
    label: 'rank 4 with a -inf mask',
    attrs: T,
    inputs: [f32([0, -Infinity, 1, 1], [1, 1, 2, 2])],
    outputs: [{ dtype: 'f32', shape: [1, 1, 2, 2], expected: [1, 0, 0.5, 0.5] }],
    wasm: 'runs',
  },
  {
    op: 'AddV2',
    label: 'rank 5 broadcast',
    attrs: T,
    inputs: [f32([1, 2, 3, 4], [1, 2, 1, 2, 1]), f32([10, 20], [1, 1, 1, 1, 2])],
    outputs: [{ dtype: 'f32', shape: [1, 2, 1, 2, 2], expected: [11, 21, 12, 22, 13, 23, 14, 24] }],
    wasm: 'runs',
  },
  {
    op: 'Transpose',
    label: 'rank 5',
    attrs: { T: F32, Tperm: I32 },
    inputs: [f32([1, 2, 3, 4], [1, 2, 1, 2, 1]), constI32([0, 3, 2, 1, 4])],
    outputs: [{ dtype: 'f32', shape: [1, 2, 1, 2, 1], expected: [1, 3, 2, 4] }],
    wasm: 'runs',
  },
  {
    op: 'Sum',
    label: 'over two axes',
    attrs: { T: F32, Tidx: I32, keep_dims: { b: false } },
    inputs: [f32([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2]), constI32([0, 1])],
    outputs: [{ dtype: 'f32', shape: [2], expected: [16, 20] }],
    wasm: 'runs',
  },
  {
    op: 'Sum',
    label: 'over the first axis',
    attrs: { T: F32, Tidx: I32, keep_dims: { b: false } },
    inputs: [f32([1, 2, 3, 4], [2, 2]), constI32([0])],
    outputs: [{ dtype: 'f32', shape: [2], expected: [4, 6] }],
    wasm: 'runs',
  },
  {
    op: 'Sum',
    label: 'to a scalar',
    attrs: { T: F32, Tidx: I32, keep_dims: { b: false } },
    inputs: [f32([1, 2, 3, 4], [2, 2]), constI32([0, 1])],
    outputs: [{ dtype: 'f32', shape: [], expected: [10] }],
    wasm: 'runs',
  },
  {
    op: 'Sum',
    label: 'i32',
    attrs: { T: I32, Tidx: I32, keep_dims: { b: false } },
    inputs: [i32([1, 2, 3, 4], [2, 2]), constI32([1])],
    outputs: [{ dtype: 'i32', shape: [2], expected: [3, 7] }],
    wasm: 'runs',
  },
  {
    op: 'AddV2',
    label: 'i32',
    attrs: { T: I32 },
    inputs: [i32([16777217, 2]), i32([16777217, 3])],
    outputs: [{ dtype: 'i32', shape: [2], expected: [33554434, 5] }],
    wasm: 'runs',
  },
  {
    op: 'Mul',
    label: 'i32',
    attrs: { T: I32 },
    inputs: [i32([16777217, 2]), i32([3, 3])],
    outputs: [{ dtype: 'i32', shape: [2], expected: [50331651, 6] }],
    wasm: 'runs',
  },
  {
    op: 'Equal',
    label: 'i32 broadcast',
    attrs: { T: I32 },
    inputs: [i32([1, 2], [2, 1]), i32([1, 2], [1, 2])],
    outputs: [{ dtype: 'bool', shape: [2, 2], expected: [1, 0, 0, 1] }],
    wasm: 'runs',
  },
  {
    op: 'GreaterEqual',
    label: 'i32 broadcast',
    attrs: { T: I32 },
    inputs: [i32([1, 2], [2, 1]), i32([1, 2], [1, 2])],
    outputs: [{ dtype: 'bool', shape: [2, 2], expected: [1, 0, 1, 1] }],
    wasm: 'runs',
  },
  {
    op: 'LogicalAnd',
    label: 'broadcast',
    attrs: {},
    inputs: [bool([1, 0], [2, 1]), bool([1, 0], [1, 2])],
    outputs: [{ dtype: 'bool', shape: [2, 2], expected: [1, 0, 0, 0] }],
    wasm: 'runs',
  },
  {
    op: 'SelectV2',
    label: 'rank 4 mask over heads',
    attrs: T,
    inputs: [bool([1, 0], [1, 1, 1, 2]), f32([1, 2, 3, 4], [1, 2, 1, 2]), constF32([-9], [])],
    outputs: [{ dtype: 'f32', shape: [1, 2, 1, 2], expected: [1, -9, 3, -9] }],
    wasm: 'runs',
  },
  {
    op: 'BatchMatMulV2',
    label: 'rank 4, right side transposed and shared over heads',
    attrs: { T: F32, adj_x: { b: false }, adj_y: { b: true } },
    inputs: [f32([1, 2, 3, 4], [1, 2, 1, 2]), f32([1, 1, 0, 2], [1, 1, 2, 2])],
    outputs: [{ dtype: 'f32', shape: [1, 2, 1, 2], expected: [3, 4, 7, 8] }],
    wasm: 'runs',
  },
  {
    op: 'StridedSlice',
    label: 'a new axis and a dropped one',
    attrs: {
      T: F32,
      Index: I32,
      begin_mask: { i: 0 },
      end_mask: { i: 0 },
      ellipsis_mask: { i: 0 },
      new_axis_mask: { i: 1 },
      shrink_axis_mask: { i: 2 },
    },
    inputs: [f32([1, 2, 3, 4], [2, 2]), constI32([0, 1, 0]), constI32([0, 2, 2]), constI32([1, 1, 1])],
    outputs: [{ dtype: 'f32', shape: [1, 2], expected: [3, 4] }],
    wasm: 'runs',
  },
  {
    op: 'GatherV2',
    label: 'along the last axis',
    attrs: { Tparams: F32, Tindices: I32, Taxis: I32, batch_dims: { i: 0 } },
    inputs: [f32([1, 2, 3, 4], [2, 2]), i32([1, 1, 0]), constI32([1], [])],
    outputs: [{ dtype: 'f32', shape: [2, 3], expected: [2, 2, 1, 4, 4, 3] }],
    wasm: 'runs',
  },
  {
    op: 'GatherV2',
    label: 'with a batch dimension',
    attrs: { Tparams: F32, Tindices: I32, Taxis: I32, batch_dims: { i: 1 } },
    inputs: [f32([1, 2, 3, 4], [2, 2]), i32([1, 0], [2, 1]), constI32([1], [])],
    outputs: [{ dtype: 'f32', shape: [2, 1], expected: [2, 3] }],
    wasm: 'wrong',
  },
  {
    op: 'Cast',
    label: 'f32 to bool',
    attrs: { SrcT: F32, DstT: { type: 'bool' }, Truncate: { b: false } },
    inputs: [f32([0, 0.5, -2])],
    outputs: [{ dtype: 'bool', shape: [3], expected: [0, 1, 1] }],
    wasm: 'runs',
  },
  {
    op: 'Cumsum',
    label: 'exclusive, backwards',
    attrs: { T: F32, Tidx: I32, exclusive: { b: true }, reverse: { b: true } },
    inputs: [f32([1, 2, 3]), constI32([0], [])],
    outputs: [{ dtype: 'f32', shape: [3], expected: [5, 3, 0] }],
    wasm: 'runs',
  },
  {
    op: 'Exp',
    label: 'of -inf and large',
    attrs: T,
    inputs: [f32([-Infinity, -200, 0])],
    outputs: [{ dtype: 'f32', shape: [3], expected: [0, 0, 1] }],
    wasm: 'runs',
  },
  {
    op: 'Sigmoid',
    label: 'far out',
    attrs: T,
    inputs: [f32([-100, 100])],
    outputs: [{ dtype: 'f32', shape: [2], expected: [0, 1] }],
    wasm: 'runs',
  },
  {
    op: 'Tanh',
    label: 'far out',
    attrs: T,
    inputs: [f32([-100, 100])],
    outputs: [{ dtype: 'f32', shape: [2], expected: [-1, 1] }],
    wasm: 'runs',
  },
  {
    op: 'ExpandDims',
    attrs: { T: F32, Tdim: I32 },
    inputs: [f32([1, 2]), constI32([0], [])],
    outputs: [{ dtype: 'f32', shape: [1, 2], expected: [1, 2] }],
    wasm: 'runs',
  },
  {
    op: 'Squeeze',
    attrs: { T: F32, squeeze_dims: { ints: [0] } },
    inputs: [f32([1, 2], [1, 2])],
    outputs: [{ dtype: 'f32', shape: [2], expected: [1, 2] }],
    wasm: 'runs',
  },
  {
    op: 'Pow',
    attrs: T,
    inputs: [f32([1, 2, 3]), constF32([2], [])],
    outputs: [{ dtype: 'f32', shape: [3], expected: [1, 4, 9] }],
    wasm: 'runs',
  },
  {
    op: 'Cos',
    attrs: T,
    inputs: [f32([0, 3])],
    outputs: [{ dtype: 'f32', shape: [2], expected: [1, Math.cos(3)] }],
    wasm: 'runs',
  },
  {
    op: 'Sin',
    attrs: T,
    inputs: [f32([0, 3])],
    outputs: [{ dtype: 'f32', shape: [2], expected: [0, Math.sin(3)] }],
    wasm: 'runs',
  },
  {
    op: 'Pack',
    attrs: { T: F32, N: { i: 2 }, axis: { i: 1 } },
    inputs: [f32([1, 2]), f32([3, 4])],
    outputs: [{ dtype: 'f32', shape: [2, 2], expected: [1, 3, 2, 4] }],
    wasm: 'runs',
  },
  {
    op: 'SquaredDifference',
    attrs: T,
    inputs: [f32([1, 2]), f32([3, 5])],
    outputs: [{ dtype: 'f32', shape: [2], expected: [4, 9] }],
    wasm: 'runs',
  },
  {
    op: 'LogSoftmax',
    attrs: T,
    inputs: [f32([1, 2, 3], [1, 3])],
    outputs: [{ dtype: 'f32', shape: [1, 3], expected: p0.map(Math.log) }],
    wasm: 'runs',
  },
  {
    op: 'Log',
    label: 'of zero',
    attrs: T,
    inputs: [f32([0])],
    outputs: [{ dtype: 'f32', shape: [1], expected: [-Infinity] }],
    wasm: 'runs',
  },
  {
    op: 'LogicalNot',
    attrs: {},
    inputs: [bool([1, 0])],
    outputs: [{ dtype: 'bool', shape: [2], expected: [0, 1] }],
    wasm: 'runs',
  },
  {
    op: 'MatrixBandPart',
    attrs: { T: F32, Tindex: I32 },
    inputs: [f32([1, 2, 3, 4], [2, 2]), constI32([-1], []), constI32([0], [])],
    outputs: [{ dtype: 'f32', shape: [2, 2], expected: [1, 0, 3, 4] }],
    wasm: 'runs',
  },
  {
    op: 'TopKV2',
    attrs: { T: F32, sorted: { b: true } },
    inputs: [f32([1, 9, 6, 4], [1, 4]), constI32([2], [])],
    outputs: [
      { dtype: 'f32', shape: [1, 2], expected: [9, 6] },
      { dtype: 'i32', shape: [1, 2], expected: [1, 2] },
    ],
    wasm: 'runs',
  },
  {
    op: 'TensorScatterUpdate',
    attrs: { T: F32, Tindices: I32 },
    inputs: [f32([1, 2, 3]), i32([1], [1, 1]), f32([9])],
    outputs: [{ dtype: 'f32', shape: [3], expected: [1, 9, 3] }],
    wasm: 'runs',
  },
];
