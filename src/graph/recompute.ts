import { copyNode, rewrite } from './rewrite.ts';
import type { Graph, Node, Value } from './types.ts';

/**
 * Gradient checkpointing as a rewriting of the graph: in each scope that `recomputed` picks, the backward nodes read
 * copies of the forward values instead of the values themselves, so that these can be freed as soon as the forward pass
 * is done with them. The copies wait, by control edges, for the first gradient that reaches the scope; without them the
 * executor would compute them at once. Chen et al., "Training Deep Nets with Sublinear Memory Cost" (2016).
 */
export function recompute(graph: Graph, recomputed: (scope: string) => boolean): Graph {
  holdBackwardNodes(graph, recomputed);
  const copies = new Map<Node, readonly Value[]>();
  return rewrite(graph, (node, map, into) => {
    if (node.phase !== 'backward' || !recomputed(node.scope)) return undefined;
    const entry = graph.gradientEntry.get(node.scope);
    if (!entry) return undefined;
    const inScope = (value: Value): boolean =>
      value.node.phase === 'forward' && value.node.scope === node.scope && value.node.inputs.length > 0;
    const again = (value: Value): Value => {
      if (!inScope(value)) return map(value);
      const source = value.node;
      let outputs = copies.get(source);
      if (!outputs) {
        const starts = !source.inputs.some(inScope);
        outputs = copyNode(source, again, into, starts ? [map(entry)] : []);
        copies.set(source, outputs);
      }
      return outputs[value.index]!;
    };
    return copyNode(node, again, into);
  });
}

/** Backward nodes that read forward values and constants only (a slope, say) must not start before their scope's first gradient. */
function holdBackwardNodes(graph: Graph, recomputed: (scope: string) => boolean): void {
  for (const node of graph.nodes) {
    const entry = graph.gradientEntry.get(node.scope);
    if (node.phase !== 'backward' || !entry || !recomputed(node.scope) || node.inputs.length === 0) continue;
    const startsAlone = node.inputs.every(({ node: { phase, inputs } }) => phase === 'forward' || inputs.length === 0);
    if (node !== entry.node && startsAlone) {
      (node.controls as Value[]).push(entry);
    }
  }
}
