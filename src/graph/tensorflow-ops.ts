import { staticShape } from './types.ts';
import type { Node, Value } from './types.ts';
import type { TfNode } from './tf-graph.ts';
import { tfType } from './tf-emission.ts';
import type { TfEmission } from './tf-emission.ts';
import type { ConstantAttrs, InputAttrs } from './ops/sources.ts';
import type { MatmulAttrs } from './ops/matmul.ts';
import type { ReduceAttrs } from './ops/reduce.ts';

type Emitter = (node: Node, to: TfEmission) => string[];
type Attrs = TfNode['attrs'];

const T = (value: Value): Attrs => ({ T: { type: tfType(value.dtype) } });

/** An op whose TensorFlow form differs in nothing but the name. */
function direct(op: string): Emitter {
  return (node, to) => [to.add(op, node.inputs.map(to.ref), T(node.inputs[0]!))];
}

function reduce(op: string): Emitter {
  return (node, to) => {
    const { axes, keepDims } = node.attrs as ReduceAttrs;
    const attrs: Attrs = { ...T(node.inputs[0]!), Tidx: { type: 'i32' }, keep_dims: { b: keepDims } };
    return [to.add(op, [to.ref(node.inputs[0]!), to.ints(axes)], attrs)];
  };
}

function placeholder(node: Node, to: TfEmission): string[] {
  const { name, type } = node.attrs as InputAttrs;
  const shape = staticShape(type as Value);
  if (type.dtype !== 'bf16') {
    return [to.feed(name, { dtype: { type: tfType(type.dtype) }, shape: { shape } })];
  }
  const pairs = [...shape.slice(0, -1), shape.at(-1)! / 2];
  const fed = to.feed(name, { dtype: { type: 'i32' }, shape: { shape: pairs } });
  const halves = to.add('Bitcast', [fed], { T: { type: 'i32' }, type: { type: 'bf16' } });
  return [to.add('Reshape', [halves, to.ints(shape)], { T: { type: 'bf16' }, Tshape: { type: 'i32' } })];
}

function constant(node: Node, to: TfEmission): string[] {
  const { data, shape, dtype } = node.attrs as ConstantAttrs;
  const type = tfType(dtype);
  return [to.add('Const', [], { dtype: { type }, value: { tensor: { dtype: type, shape, data } } })];
}

function matmul(node: Node, to: TfEmission): string[] {
  const [a, b] = node.inputs as [Value, Value];
  const { transposeA, transposeB } = node.attrs as MatmulAttrs;
  if (to.target === 'native') {
    const attrs: Attrs = { ...T(a), adj_x: { b: transposeA }, adj_y: { b: transposeB } };
    return [to.add('BatchMatMulV2', [to.ref(a), to.ref(b)], attrs)];
  }
  // tfjs-backend-wasm multiplies transposed operands in a scalar loop: copying first is far cheaper.
  const straight = (x: Value, transposed: boolean): string => (transposed ? swapLast(x, to) : to.ref(x));
  const attrs: Attrs = { ...T(a), adj_x: { b: false }, adj_y: { b: false } };
  return [to.add('BatchMatMulV2', [straight(a, transposeA), straight(b, transposeB)], attrs)];
}

function swapLast(x: Value, to: TfEmission): string {
  const axes = [...x.shape.keys()];
  const permutation = [...axes.slice(0, -2), axes.at(-1)!, axes.at(-2)!];
  return to.add('Transpose', [to.ref(x), to.ints(permutation)], { ...T(x), Tperm: { type: 'i32' } });
}

function slice(node: Node, to: TfEmission): string[] {
  const { axis, start, size } = node.attrs as { axis: number; start: number; size: number };
  const x = node.inputs[0]!;
  const shape = staticShape(x);
  const begin = shape.map((_, i) => (i === axis ? start : 0));
  const sizes = shape.with(axis, size);
  return [to.add('Slice', [to.ref(x), to.ints(begin), to.ints(sizes)], { ...T(x), Index: { type: 'i32' } })];
}

function pad(node: Node, to: TfEmission): string[] {
  const { axis, before, after } = node.attrs as { axis: number; before: number; after: number };
  const x = node.inputs[0]!;
  const paddings = staticShape(x).flatMap((_, i) => (i === axis ? [before, after] : [0, 0]));
  return [to.add('Pad', [to.ref(x), to.ints(paddings, [x.shape.length, 2])], { ...T(x), Tpaddings: { type: 'i32' } })];
}

function sparseCrossEntropy(node: Node, to: TfEmission): string[] {
  const [logits, labels] = node.inputs as [Value, Value];
  const attrs: Attrs = { ...T(logits), Tlabels: { type: 'i32' } };
  const name = to.add('SparseSoftmaxCrossEntropyWithLogits', [to.ref(logits), to.ref(labels)], attrs);
  return [name, `${name}:1`];
}

function shaped(op: string, extra: (node: Node) => { values: number[]; attrs: Attrs }): Emitter {
  return (node, to) => {
    const { values, attrs } = extra(node);
    return [to.add(op, [to.ref(node.inputs[0]!), to.ints(values)], { ...T(node.inputs[0]!), ...attrs })];
  };
}

/** Each primitive op in TensorFlow's terms. */
export const emitters: Record<string, Emitter> = {
  input: placeholder,
  parameter: placeholder,
  constant,
  add: direct('AddV2'),
  sub: direct('Sub'),
  mul: direct('Mul'),
  div: direct('RealDiv'),
  maximum: direct('Maximum'),
  minimum: direct('Minimum'),
  equal: direct('Equal'),
  greater_equal: direct('GreaterEqual'),
  logical_and: (node, to) => [to.add('LogicalAnd', node.inputs.map(to.ref))],
  neg: direct('Neg'),
  exp: direct('Exp'),
  log: direct('Log'),
  sqrt: direct('Sqrt'),
  rsqrt: direct('Rsqrt'),
  square: direct('Square'),
  sigmoid: direct('Sigmoid'),
  tanh: direct('Tanh'),
  erf: direct('Erf'),
  select: (node, to) => [to.add('SelectV2', node.inputs.map(to.ref), T(node.inputs[1]!))],
  cast: (node, to) => {
    const [x, y] = [node.inputs[0]!, node.outputs[0]!];
    return [to.add('Cast', [to.ref(x)], { SrcT: { type: tfType(x.dtype) }, DstT: { type: tfType(y.dtype) } })];
  },
  sum: reduce('Sum'),
  mean: reduce('Mean'),
  max: reduce('Max'),
  softmax: direct('Softmax'),
  reshape: shaped('Reshape', (node) => ({ values: staticShape(node.outputs[0]!), attrs: { Tshape: { type: 'i32' } } })),
  broadcast_to: shaped('BroadcastTo', (node) => ({
    values: staticShape(node.outputs[0]!),
    attrs: { Tidx: { type: 'i32' } },
  })),
  transpose: shaped('Transpose', (node) => ({
    values: (node.attrs as { permutation: number[] }).permutation,
    attrs: { Tperm: { type: 'i32' } },
  })),
  concat: (node, to) => {
    const { axis } = node.attrs as { axis: number };
    const attrs: Attrs = { ...T(node.inputs[0]!), N: { i: node.inputs.length }, Tidx: { type: 'i32' } };
    return [to.add('ConcatV2', [...node.inputs.map(to.ref), to.ints([axis], [])], attrs)];
  },
  slice,
  pad,
  matmul,
  gather: (node, to) => {
    const [table, indices] = node.inputs as [Value, Value];
    const attrs: Attrs = {
      Tparams: { type: tfType(table.dtype) },
      Tindices: { type: 'i32' },
      Taxis: { type: 'i32' },
      batch_dims: { i: 0 },
    };
    return [
      to.add('GatherV2', [to.ref(table), to.ref(indices), to.ints([(node.attrs as { axis: number }).axis], [])], attrs),
    ];
  },
  segment_sum: (node, to) => {
    const [data, ids] = node.inputs as [Value, Value];
    const { segments } = node.attrs as { segments: number };
    const attrs: Attrs = { ...T(data), Tindices: { type: 'i32' }, Tnumsegments: { type: 'i32' } };
    return [to.add('UnsortedSegmentSum', [to.ref(data), to.ref(ids), to.ints([segments], [])], attrs)];
  },
  sparse_cross_entropy: sparseCrossEntropy,
  random_uniform: (node, to) => {
    const attrs: Attrs = { dtype: { type: 'f32' }, T: { type: 'i32' }, Tseed: { type: 'i32' } };
    const shape = to.ints((node.attrs as { shape: number[] }).shape);
    return [to.add('StatelessRandomUniform', [shape, to.ref(node.inputs[0]!)], attrs)];
  },
};
