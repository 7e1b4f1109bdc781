/**
 * A reference interpreter of graphs in float64, one plain loop an op: the oracle for gradients (by finite differences,
 * to far more digits than float32 allows) and for what the engines compute.
 */
import { expand, rewrite, staticShape } from '../../src/graph/index.ts';
import type { Graph, Node, Value } from '../../src/graph/index.ts';

export interface Tensor {
  shape: number[];
  data: Float64Array;
}

export type Feeds = Record<string, ArrayLike<number>>;

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

function strides(shape: readonly number[]): number[] {
  const result = shape.map(() => 1);
  for (let i = shape.length - 2; i >= 0; i--) result[i] = result[i + 1]! * shape[i + 1]!;
  return result;
}

/** Calls `visit` with every index of `shape`, in order. */
function each(shape: readonly number[], visit: (index: number[], flat: number) => void): void {
  const index = shape.map(() => 0);
  const count = size(shape);
  for (let flat = 0; flat < count; flat++) {
    visit(index, flat);
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis]! === shape[axis]!; axis--) index[axis] = 0;
  }
}

function offset(tensor: Tensor, index: readonly number[]): number {
  const step = strides(tensor.shape);
  const lead = index.length - tensor.shape.length;
  return tensor.shape.reduce((sum, dim, i) => sum + (dim === 1 ? 0 : index[lead + i]! * step[i]!), 0);
}

function map(shape: number[], value: (index: number[], flat: number) => number): Tensor {
  const data = new Float64Array(size(shape));
  each(shape, (index, flat) => (data[flat] = value(index, flat)));
  return { shape, data };
}

const binary: Record<string, (a: number, b: number) => number> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  maximum: Math.max,
  minimum: Math.min,
  equal: (a, b) => Number(a === b),
  greater_equal: (a, b) => Number(a >= b),
  logical_and: (a, b) => Number(a !== 0 && b !== 0),
};

/** erf by its series: accurate to 1e-15 for the small arguments that tests use. */
function erf(x: number): number {
  let term = x;
  let total = x;
  for (let n = 1; n < 80; n++) {
    term *= -(x * x) / n;
    total += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}

const unary: Record<string, (x: number) => number> = {
  neg: (x) => -x,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  rsqrt: (x) => 1 / Math.sqrt(x),
  square: (x) => x * x,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  tanh: Math.tanh,
  erf,
};

const reductions: Record<string, (values: number[]) => number> = {
  sum: (values) => values.reduce((a, b) => a + b, 0),
  mean: (values) => values.reduce((a, b) => a + b, 0) / values.length,
  max: (values) => Math.max(...values),
};

/** Every attribute that some op has, under one roof: which op has which is the ops' business. */
interface AnyAttrs {
  name: string;
  data: ArrayLike<number>;
  axes: number[];
  axis: number;
  start: number;
  before: number;
  permutation: number[];
  transposeA: boolean;
  transposeB: boolean;
}

function compute(node: Node, inputs: Tensor[], feeds: Feeds): Tensor[] {
  const name = node.def.name;
  const shape = staticShape(node.outputs[0]!);
  const [a, b, c] = inputs as [Tensor, Tensor, Tensor];
  const attrs = node.attrs as AnyAttrs;
  if (name === 'input' || name === 'parameter') {
    const fed = feeds[attrs.name];
    if (!fed || fed.length !== size(shape)) throw new Error(`feed ${attrs.name} is missing or has the wrong size`);
    return [{ shape, data: Float64Array.from(fed) }];
  }
  if (name === 'constant') return [{ shape, data: Float64Array.from(attrs.data) }];
  if (binary[name]) return [map(shape, (i) => binary[name]!(a.data[offset(a, i)]!, b.data[offset(b, i)]!))];
  if (unary[name]) return [map(shape, (_, flat) => unary[name]!(a.data[flat]!))];
  if (reductions[name]) {
    const axes: number[] = attrs.axes;
    const groups = Array.from({ length: size(shape) }, (): number[] => []);
    const kept = a.shape.map((dim, i) => (axes.includes(i) ? 1 : dim));
    const target: Tensor = { shape: kept, data: new Float64Array() };
    each(a.shape, (i, flat) => groups[offset(target, i)]!.push(a.data[flat]!));
    return [{ shape, data: Float64Array.from(groups, (group) => reductions[name]!(group)) }];
  }
  switch (name) {
    case 'cast':
      return [{ shape, data: node.outputs[0]!.dtype === 'i32' ? a.data.map(Math.trunc) : a.data }];
    case 'reshape':
      return [{ shape, data: a.data }];
    case 'select':
      return [map(shape, (i) => (a.data[offset(a, i)] ? b.data[offset(b, i)]! : c.data[offset(c, i)]!))];
    case 'broadcast_to':
      return [map(shape, (i) => a.data[offset(a, i)]!)];
    case 'transpose': {
      const permutation: number[] = attrs.permutation;
      return [
        map(
          shape,
          (i) =>
            a.data[
              offset(
                a,
                permutation.map((_, axis) => i[permutation.indexOf(axis)]!),
              )
            ]!,
        ),
      ];
    }
    case 'slice':
      return [map(shape, (i) => a.data[offset(a, i.with(attrs.axis, i[attrs.axis]! + attrs.start))]!)];
    case 'pad':
      return [
        map(shape, (i) => {
          const at = i[attrs.axis]! - attrs.before;
          return at < 0 || at >= a.shape[attrs.axis]! ? 0 : a.data[offset(a, i.with(attrs.axis, at))]!;
        }),
      ];
    case 'concat':
      return [
        map(shape, (i) => {
          let at = i[attrs.axis]!;
          const part = inputs.find((x) => (at < x.shape[attrs.axis]! ? true : ((at -= x.shape[attrs.axis]!), false)))!;
          return part.data[offset(part, i.with(attrs.axis, at))]!;
        }),
      ];
    case 'matmul': {
      const k = attrs.transposeA ? a.shape.at(-2)! : a.shape.at(-1)!;
      return [
        map(shape, (i) => {
          const lead = i.slice(0, -2);
          const [row, column] = i.slice(-2) as [number, number];
          let total = 0;
          for (let j = 0; j < k; j++) {
            const x = a.data[offset(a, [...lead, ...(attrs.transposeA ? [j, row] : [row, j])])]!;
            total += x * b.data[offset(b, [...lead, ...(attrs.transposeB ? [column, j] : [j, column])])]!;
          }
          return total;
        }),
      ];
    }
    case 'gather': {
      const after = attrs.axis + b.shape.length;
      return [
        map(shape, (i) => {
          const row = b.data[offset(b, i.slice(attrs.axis, after))]!;
          return a.data[offset(a, [...i.slice(0, attrs.axis), row, ...i.slice(after)])]!;
        }),
      ];
    }
    case 'segment_sum': {
      const out = map(shape, () => 0);
      each(a.shape, (i, flat) => (out.data[offset(out, i.with(0, b.data[i[0]!]!))]! += a.data[flat]!));
      return [out];
    }
    case 'softmax':
      return [softmax(a)];
    case 'sparse_cross_entropy': {
      const p = softmax(a);
      const loss = map([a.shape[0]!], (i) => -Math.log(p.data[offset(p, [i[0]!, b.data[i[0]!]!])]!));
      return [loss, map(a.shape, (i, flat) => p.data[flat]! - Number(i[1] === b.data[i[0]!]))];
    }
    default:
      throw new Error(`the reference has no ${name}`);
  }
}

function softmax(x: Tensor): Tensor {
  const columns = x.shape.at(-1)!;
  const data = new Float64Array(x.data.length);
  for (let start = 0; start < data.length; start += columns) {
    const row = x.data.subarray(start, start + columns);
    const top = Math.max(...row);
    const total = row.reduce((sum, value) => sum + Math.exp(value - top), 0);
    row.forEach((value, i) => (data[start + i] = Math.exp(value - top) / total));
  }
  return { shape: x.shape, data };
}

export function evaluate(graph: Graph, feeds: Feeds): Record<string, Tensor> {
  const primitive = rewrite(expand(graph, () => true));
  const values = new Map<Value, Tensor>();
  for (const node of primitive.nodes) {
    const results = compute(
      node,
      node.inputs.map((value) => values.get(value)!),
      feeds,
    );
    results.forEach((tensor, i) => values.set(node.outputs[i]!, tensor));
  }
  return Object.fromEntries([...primitive.outputs].map(([name, value]) => [name, values.get(value)!]));
}
