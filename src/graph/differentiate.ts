import { LlmkitError } from '../core/errors.ts';
import type { Graph, Node, Value } from './types.ts';
import { sameShape } from './types.ts';
import { add } from './ops/elementwise.ts';
import { scalar } from './ops/sources.ts';
import { expand } from './rewrite.ts';

/** Composites that have no gradient of their own are replaced by their parts, which do. */
export function differentiable(graph: Graph): Graph {
  return expand(graph, (node) => node.def.gradient === undefined && node.def.expand !== undefined);
}

/**
 * Reverse-mode differentiation: adds to the graph the nodes that compute d loss / d wrt.
 * Nothing is added for values that do not depend on any of `wrt`.
 *
 * @param loss f32, rank 0
 * @param wrt values of the same graph, f32
 * @returns gradients in the order of `wrt`, each of its value's shape; undefined where the loss does not depend on it
 */
export function differentiate(loss: Value, wrt: readonly Value[]): (Value | undefined)[] {
  const graph = loss.graph;
  const forward = [...graph.nodes];
  const wanted = new Set(wrt);
  const active = new Set<Node>();
  for (const node of forward) {
    if (node.outputs.some((value) => wanted.has(value)) || node.inputs.some((value) => active.has(value.node))) {
      active.add(node);
    }
  }
  const grads = new Map<Value, Value>();
  const outer = { scope: graph.scope, phase: graph.phase };
  graph.phase = 'backward';
  grads.set(loss, scalar(graph, 1));
  for (const node of forward.reverse()) {
    const incoming = node.outputs.map((value) => grads.get(value));
    if (!active.has(node) || incoming.every((grad) => grad === undefined) || node.inputs.length === 0) continue;
    if (!node.def.gradient) throw new LlmkitError('bug', `${node.def.name} has no gradient`, { where: node.scope });
    if (node.phase === 'backward') throw new LlmkitError('bug', 'a gradient is not differentiated again');
    graph.scope = node.scope;
    if (!graph.gradientEntry.has(node.scope)) graph.gradientEntry.set(node.scope, incoming.find(Boolean)!);
    const outgoing = node.def.gradient(node, incoming);
    node.inputs.forEach((value, i) => {
      const grad = outgoing[i];
      if (!grad || !active.has(value.node)) return;
      if (!sameShape(grad.shape, value.shape)) {
        throw new LlmkitError('bug', `gradient of ${node.def.name}, input ${i}, has the wrong shape`, {
          expected: `[${value.shape.join(', ')}]`,
          got: `[${grad.shape.join(', ')}]`,
        });
      }
      const sum = grads.get(value);
      grads.set(value, sum ? add(sum, grad) : grad);
    });
  }
  Object.assign(graph, outer);
  return wrt.map((value) => grads.get(value));
}
