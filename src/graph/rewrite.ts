import { Graph } from './types.ts';
import type { Node, Value } from './types.ts';

/** What becomes of a node: the values that replace its outputs, or undefined to keep it as it is. */
export type Rule = (node: Node, map: (value: Value) => Value, into: Graph) => readonly Value[] | undefined;

/** The nodes that the outputs need, in an order in which every node follows its inputs. */
export function reachable(graph: Graph): Node[] {
  const order: Node[] = [];
  const state = new Set<Node>();
  const stack: { node: Node; leaving: boolean }[] = [];
  for (const value of [...graph.outputs.values()].reverse()) stack.push({ node: value.node, leaving: false });
  while (stack.length > 0) {
    const { node, leaving } = stack.pop()!;
    if (leaving) {
      order.push(node);
    } else if (!state.has(node)) {
      state.add(node);
      stack.push({ node, leaving: true });
      for (const value of [...node.inputs, ...node.controls].reverse())
        stack.push({ node: value.node, leaving: false });
    }
  }
  return order;
}

/** Copies what the outputs need into a new graph, each node as `rule` says. */
export function rewrite(graph: Graph, rule: Rule = () => undefined): Graph {
  const into = new Graph();
  const images = new Map<Node, readonly Value[]>();
  const map = (value: Value): Value => images.get(value.node)![value.index]!;
  for (const node of reachable(graph)) {
    into.scope = node.scope;
    into.phase = node.phase;
    images.set(node, rule(node, map, into) ?? copyNode(node, map, into));
  }
  for (const [name, value] of graph.outputs) into.output(name, map(value));
  for (const [scope, value] of graph.gradientEntry) {
    if (images.has(value.node)) into.gradientEntry.set(scope, map(value));
  }
  into.scope = '';
  into.phase = 'forward';
  return into;
}

export function copyNode(
  node: Node,
  map: (value: Value) => Value,
  into: Graph,
  extraControls: readonly Value[] = [],
): readonly Value[] {
  const controls = [...node.controls.map(map), ...extraControls];
  return into.add(node.def, node.inputs.map(map), node.attrs, { controls }).outputs;
}

/** Replaces composites by their meaning until none that `wanted` picks is left. */
export function expand(graph: Graph, wanted: (node: Node) => boolean): Graph {
  let current = graph;
  while (current.nodes.some((node) => node.def.expand && wanted(node))) {
    const reads = reachable(current).flatMap(({ inputs, controls }) => [...inputs, ...controls]);
    const read = new Set([...reads, ...current.outputs.values()]);
    current = rewrite(current, (node, map, into) => {
      if (!node.def.expand || !wanted(node)) return undefined;
      const stand: Node = { ...node, inputs: node.inputs.map(map), outputs: [] };
      const first = into.nodes.length;
      const used = node.outputs.map((value) => read.has(value));
      const outputs = node.def.expand(stand, used);
      if (node.controls.length > 0) holdBack(into.nodes.slice(first), node.controls.map(map));
      return outputs;
    });
  }
  return current;
}

/** A composite's control edges go to those of its parts that could start without the others; constants hold nobody back. */
function holdBack(parts: Node[], controls: readonly Value[]): void {
  const waiting = new Set(parts.filter(({ inputs }) => inputs.length > 0));
  for (const node of waiting) {
    const startsAlone = ![...node.inputs, ...node.controls].some((value) => waiting.has(value.node));
    if (startsAlone) (node.controls as Value[]).push(...controls);
  }
}
