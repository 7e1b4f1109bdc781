import { elements, expand, rewrite } from '../graph/index.ts';
import type { DType, Graph, Node, Value } from '../graph/index.ts';
import { copyNode } from '../graph/rewrite.ts';

/** What one run of a graph costs. Weights and feeds are the caller's and not counted. */
export interface GraphCost {
  /** The most bytes of values that are alive at once, those of the outputs among them. */
  peakBytes: number;
  outputBytes: number;
  /** Multiplications and additions of matrix products. */
  flops: number;
  /** Bytes that everything else reads and writes. */
  movedBytes: number;
  ops: number;
}

/** How an engine runs a graph: native TensorFlow writes over inputs that nobody else reads, and does equal work once. */
export interface RunningManner {
  inPlace: boolean;
}

/**
 * Walks a graph as an engine executes it and adds up what is alive. Nodes run as soon as their inputs and control edges
 * are there, first come first served, which is the order of TensorFlow's executor; a value is freed after its last reader.
 */
export function graphCost(graph: Graph, { inPlace }: RunningManner): GraphCost {
  const whole = expand(graph, () => true);
  const primitive = inPlace ? withoutDuplicates(whole) : rewrite(whole);
  const cost: GraphCost = { peakBytes: 0, outputBytes: 0, flops: 0, movedBytes: 0, ops: primitive.nodes.length };
  for (const value of primitive.outputs.values()) cost.outputBytes += bytesOf(value);
  for (const node of primitive.nodes) {
    if (node.def.name === 'matmul') cost.flops += productFlops(node);
    else if (node.inputs.length > 0 && !isAlias(node)) {
      cost.movedBytes += [...node.inputs, ...node.outputs].reduce((sum, value) => sum + bytesOf(value), 0);
    }
  }
  cost.peakBytes = peakOf(primitive, inPlace);
  return cost;
}

interface Memory {
  bytes: number;
  /** Reads that are still to come, and outputs of the graph. */
  readers: number;
}

function peakOf(graph: Graph, inPlace: boolean): number {
  const readers = new Map<Value, number>();
  const waiting = new Map<Node, number>();
  const followers = new Map<Node, Node[]>();
  for (const node of graph.nodes) {
    for (const value of node.inputs) readers.set(value, (readers.get(value) ?? 0) + 1);
    const before = new Set([...node.inputs, ...node.controls].map((value) => value.node));
    waiting.set(node, before.size);
    for (const other of before) {
      const known = followers.get(other);
      if (known) known.push(node);
      else followers.set(other, [node]);
    }
  }
  for (const value of graph.outputs.values()) readers.set(value, (readers.get(value) ?? 0) + 1);

  const memory = new Map<Value, Memory>();
  let live = 0;
  let peak = 0;
  const run = (node: Node): void => {
    const place = (value: Value): void => {
      const reads = readers.get(value) ?? 0;
      const own = isAlias(node) ? memory.get(node.inputs[0]!) : overwritten(node, value, memory, inPlace);
      if (own) own.readers += reads;
      else if (isAlias(node)) return; // of a weight, which is not counted
      const block = own ?? { bytes: bytesOf(value), readers: reads };
      if (!own) live += block.bytes;
      memory.set(value, block);
    };
    if (node.inputs.length > 0) node.outputs.forEach(place);
    peak = Math.max(peak, live);
    const release = (block: Memory | undefined, reads: number): void => {
      if (!block) return;
      block.readers -= reads;
      if (block.readers === 0) live -= block.bytes;
    };
    for (const value of node.inputs) release(memory.get(value), 1);
    // What nobody reads goes at once: the second output of an op, say.
    for (const value of node.outputs) if (!readers.has(value)) release(memory.get(value), 0);
  };

  const ready = graph.nodes.filter((node) => waiting.get(node) === 0);
  for (let next = 0; next < ready.length; next++) {
    const node = ready[next]!;
    run(node);
    for (const follower of followers.get(node) ?? []) {
      const left = waiting.get(follower)! - 1;
      waiting.set(follower, left);
      if (left === 0) ready.push(follower);
    }
  }
  return peak;
}

/** The memory of an input that an elementwise result takes over, which it may where no one else reads it. */
function overwritten(node: Node, value: Value, memory: Map<Value, Memory>, inPlace: boolean): Memory | undefined {
  if (!inPlace || IN_PLACE.get(node.def.name) !== value.index) return undefined;
  for (const input of node.inputs) {
    const block = memory.get(input);
    const fits = block && block.readers === 1 && bytesOf(input) === bytesOf(value) && block.bytes === bytesOf(value);
    if (fits && input.dtype === value.dtype) return block;
  }
  return undefined;
}

/** Ops of TensorFlow that write one of their outputs over an input of its size, and which output that is. */
const IN_PLACE = new Map([
  ...'add sub mul div maximum minimum neg exp log sqrt rsqrt square sigmoid tanh erf softmax'
    .split(' ')
    .map((name) => [name, 0] as const),
  ['sparse_cross_entropy', 1] as const,
]);

/** Views: the same bytes under another shape, or leading rows of them. */
function isAlias({ def, attrs }: Node): boolean {
  return def.name === 'reshape' || (def.name === 'slice' && (attrs as { axis: number }).axis === 0);
}

/** Equal ops on equal inputs done once, as TensorFlow's optimizer does. */
function withoutDuplicates(graph: Graph): Graph {
  const known = new Map<string, readonly Value[]>();
  return rewrite(graph, (node, map, into) => {
    const key = keyOf(node, map);
    const found = key === undefined ? undefined : known.get(key);
    if (found) return found;
    const outputs = copyNode(node, map, into);
    if (key !== undefined) known.set(key, outputs);
    return outputs;
  });
}

/** Undefined for what is never the same as another: inputs, and constants of more than a few numbers. */
function keyOf({ def, attrs, inputs, controls }: Node, map: (value: Value) => Value): string | undefined {
  const { data } = attrs as { data?: ArrayLike<number> };
  if (inputs.length === 0 && (data === undefined || data.length > 4)) return undefined;
  const name = (value: Value): string => `${map(value).node.id}:${value.index}`;
  return `${def.name} ${JSON.stringify(attrs)} ${inputs.map(name).join()} ^${controls.map(name).join()}`;
}

function productFlops({ inputs, outputs, attrs }: Node): number {
  const { transposeA } = attrs as { transposeA: boolean };
  const inner = inputs[0]!.shape.at(transposeA ? -2 : -1) as number;
  return 2 * elements(outputs[0]!) * inner;
}

const BYTES: Record<DType, number> = { f32: 4, bf16: 2, i32: 4, i64: 8, u8: 1, i8: 1, bool: 1 };

function bytesOf(value: Value): number {
  return elements(value) * BYTES[value.dtype];
}
