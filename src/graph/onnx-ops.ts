import type { OnnxAttr } from './onnx-graph.ts';
import type { OnnxEmission } from './lower-onnx.ts';
import type { CachedAttentionAttrs } from './composites/attention.ts';
import type { LinearAttrs, QuantizedLinearAttrs } from './composites/linear.ts';
import type { ConstantAttrs } from './ops/sources.ts';
import type { DType, Node, Shape, Value } from './types.ts';

type Emitter = (node: Node, to: OnnxEmission) => string[];

const MICROSOFT = 'com.microsoft';
const ONNX_TYPE: Record<DType, number> = { f32: 1, u8: 2, i8: 3, i32: 6, i64: 7, bool: 9, bf16: 16 };

function direct(op: string, options: { domain?: string; attrs?: Record<string, OnnxAttr> } = {}): Emitter {
  return (node, to) => to.add(op, node.inputs.map(to.ref), options);
}

const ints = (to: OnnxEmission, values: readonly number[]): string =>
  to.constant(BigInt64Array.from(values, BigInt), [values.length], 'i64');
const float = (to: OnnxEmission, value: number): string => to.constant(Float32Array.of(value), [], 'f32');

/** A residual sum and the norm that reads it first are one kernel; its fourth output is the sum. */
function add(node: Node, to: OnnxEmission): string[] {
  const sum = node.outputs[0]!;
  const norm = to.normOf(sum);
  const [a, b] = node.inputs as [Value, Value];
  if (!norm || a.shape.length !== b.shape.length) return to.add('Add', [to.ref(a), to.ref(b)]);
  const { eps } = norm.attrs as { eps: number };
  const inputs = [to.ref(a), to.ref(b), ...norm.inputs.slice(1).map(to.ref)];
  const options = { domain: MICROSOFT, attrs: { epsilon: { f: eps } }, outputs: 4 };
  const op = norm.def.name === 'rms_norm' ? 'SkipSimplifiedLayerNormalization' : 'SkipLayerNormalization';
  const [normed, , , total] = to.add(op, inputs, options);
  to.bind(norm.outputs[0]!, normed!);
  return [total!];
}

/** Sizes that are not known stay where they are: a reshape here never merges or moves them. */
function reshape(node: Node, to: OnnxEmission): string[] {
  const from: Shape = node.inputs[0]!.shape;
  const { shape } = node.attrs as { shape: Shape };
  const dims = shape.map((dim, i) => (typeof dim === 'number' ? dim : from[i] === dim ? 0 : -1));
  return to.add('Reshape', [to.ref(node.inputs[0]!), ints(to, dims)]);
}

function slice(node: Node, to: OnnxEmission): string[] {
  const { axis, start, size } = node.attrs as { axis: number; start: number; size: number };
  const inputs = [to.ref(node.inputs[0]!), ints(to, [start]), ints(to, [start + size]), ints(to, [axis])];
  return to.add('Slice', inputs);
}

function pad(node: Node, to: OnnxEmission): string[] {
  const { axis, before, after } = node.attrs as { axis: number; before: number; after: number };
  const none = node.inputs[0]!.shape.map(() => 0);
  return to.add('Pad', [to.ref(node.inputs[0]!), ints(to, [...none.with(axis, before), ...none.with(axis, after)])]);
}

/** FusedMatMul takes the weight as checkpoints store it, [out, in] or [in, out]. */
function linear(node: Node, to: OnnxEmission): string[] {
  const [x, weight, bias] = node.inputs as [Value, Value, Value?];
  const { transposed } = node.attrs as LinearAttrs;
  const attrs = { transB: { i: transposed ? 0 : 1 } };
  const [y] = to.add('FusedMatMul', [to.ref(x), to.ref(weight)], { domain: MICROSOFT, attrs });
  return bias ? to.add('Add', [y!, to.ref(bias)]) : [y!];
}

/**
 * W8A8 by token: each row of x is quantized around 128 by its own largest magnitude (unsigned, since signed activations
 * have no fast kernel), multiplied in integers and scaled back by row and by column.
 * W8A16: MatMulNBits at accuracy_level 4, its only fast path for 8 bits.
 */
function quantizedLinear(node: Node, to: OnnxEmission): string[] {
  const [x, codes, scales, bias] = node.inputs as [Value, Value, Value, Value?];
  const { scheme, groupSize } = node.attrs as QuantizedLinearAttrs;
  const y =
    scheme === 'w8a8' ? perToken(to.ref(x), to.ref(codes), to.ref(scales), to) : nBits(x, codes, scales, groupSize, to);
  return bias ? to.add('Add', [y, to.ref(bias)]) : [y];
}

function perToken(x: string, codes: string, scales: string, to: OnnxEmission): string {
  const one = (op: string, inputs: string[], attrs: Record<string, OnnxAttr> = {}): string =>
    to.add(op, inputs, { attrs })[0]!;
  const top = one('ReduceMax', [one('Abs', [x]), ints(to, [-1])], { keepdims: { i: 1 } });
  const scale = one('Max', [one('Mul', [top, float(to, 1 / 127)]), float(to, 1e-10)]);
  const shifted = one('Round', [one('Add', [one('Div', [x, scale]), float(to, 128)])]);
  const quantized = one('Cast', [shifted], { to: { i: ONNX_TYPE.u8 } });
  const zero = to.constant(Uint8Array.of(128), [], 'u8');
  const product = one('Cast', [one('MatMulInteger', [quantized, codes, zero])], { to: { i: ONNX_TYPE.f32 } });
  return one('Mul', [one('Mul', [product, scale]), scales]);
}

function nBits(x: Value, codes: Value, scales: Value, groupSize: number, to: OnnxEmission): string {
  const [n, groups, size] = codes.shape as [number, number, number];
  const attrs = {
    K: { i: groups * size },
    N: { i: n },
    bits: { i: 8 },
    block_size: { i: groupSize },
    accuracy_level: { i: 4 },
  };
  return to.add('MatMulNBits', [to.ref(x), to.ref(codes), to.ref(scales)], { domain: MICROSOFT, attrs })[0]!;
}

function cachedAttention(node: Node, to: OnnxEmission): string[] {
  const [qkv, pastK, pastV, lengths, total, cos, sin] = node.inputs.map(to.ref) as [
    string,
    string,
    string,
    string,
    string,
    string?,
    string?,
  ];
  const { heads, kvHeads, scale, rotary } = node.attrs as CachedAttentionAttrs;
  const attrs: Record<string, OnnxAttr> = {
    num_heads: { i: heads },
    kv_num_heads: { i: kvHeads },
    scale: { f: scale },
    do_rotary: { i: rotary ? 1 : 0 },
  };
  const inputs = [qkv, '', '', pastK, pastV, lengths, total, ...(rotary ? [cos!, sin!] : [])];
  return to.add('GroupQueryAttention', inputs, { domain: MICROSOFT, attrs, outputs: 3 });
}

function cachedPositions(node: Node, to: OnnxEmission): string[] {
  const [ids, lengths] = node.inputs.map(to.ref) as [string, string];
  const one = (op: string, inputs: string[], attrs: Record<string, OnnxAttr> = {}): string =>
    to.add(op, inputs, { attrs })[0]!;
  const number = (value: bigint): string => to.constant(BigInt64Array.of(value), [], 'i64');
  const length = one('Gather', [one('Shape', [ids]), number(1n)], { axis: { i: 0 } });
  const last = one('Unsqueeze', [one('Cast', [lengths], { to: { i: ONNX_TYPE.i64 } }), ints(to, [1])]);
  const first = one('Sub', [one('Add', [last, number(1n)]), length]);
  return [one('Add', [first, one('Range', [number(0n), length, number(1n)])])];
}

/** Each op of inference graphs in ONNX's terms. What is not here is expanded into what is. */
export const onnxEmitters: Record<string, Emitter> = {
  input: () => [],
  parameter: () => [],
  constant: (node, to) => {
    const { data, shape, dtype } = node.attrs as ConstantAttrs;
    return [to.constant(data, shape, dtype)];
  },
  add,
  sub: direct('Sub'),
  mul: direct('Mul'),
  div: direct('Div'),
  neg: direct('Neg'),
  exp: direct('Exp'),
  sqrt: direct('Sqrt'),
  sigmoid: direct('Sigmoid'),
  tanh: direct('Tanh'),
  erf: direct('Erf'),
  cast: (node, to) =>
    to.add('Cast', [to.ref(node.inputs[0]!)], { attrs: { to: { i: ONNX_TYPE[node.outputs[0]!.dtype] } } }),
  reshape,
  slice,
  pad,
  concat: (node, to) =>
    to.add('Concat', node.inputs.map(to.ref), { attrs: { axis: { i: (node.attrs as { axis: number }).axis } } }),
  transpose: (node, to) => {
    const { permutation } = node.attrs as { permutation: number[] };
    return to.add('Transpose', [to.ref(node.inputs[0]!)], { attrs: { perm: { ints: permutation } } });
  },
  gather: (node, to) =>
    to.add('Gather', node.inputs.map(to.ref), { attrs: { axis: { i: (node.attrs as { axis: number }).axis } } }),
  linear,
  quantized_linear: quantizedLinear,
  rms_norm: (node, to) => {
    const { eps } = node.attrs as { eps: number };
    const attrs = { axis: { i: -1 }, epsilon: { f: eps }, stash_type: { i: 1 } };
    return to.add('SimplifiedLayerNormalization', node.inputs.map(to.ref), { attrs });
  },
  layer_norm: (node, to) => {
    const { eps } = node.attrs as { eps: number };
    return to.add('LayerNormalization', node.inputs.map(to.ref), { attrs: { axis: { i: -1 }, epsilon: { f: eps } } });
  },
  swiglu: (node, to) => {
    const [gate, up] = node.inputs.map(to.ref) as [string, string];
    // QuickGelu with alpha 1 is SiLU.
    const [silu] = to.add('QuickGelu', [gate], { domain: MICROSOFT, attrs: { alpha: { f: 1 } } });
    return to.add('Mul', [silu!, up]);
  },
  gelu: (node, to) => {
    const { approximate } = node.attrs as { approximate: boolean };
    return to.add(approximate ? 'FastGelu' : 'Gelu', node.inputs.map(to.ref), { domain: MICROSOFT });
  },
  cached_attention: cachedAttention,
  cached_positions: cachedPositions,
};
