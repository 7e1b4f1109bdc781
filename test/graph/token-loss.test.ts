import { describe, expect, it } from 'vitest';
import { Graph, constant, differentiate, lowerToTensorFlow, parameter, tokenLoss } from '../../src/graph/index.ts';
import type { TfGraph, TfNode } from '../../src/graph/tf-graph.ts';

const [POSITIONS, HIDDEN, VOCAB, CHUNK] = [6, 4, 5, 2];

function lowered(wanted: ('hidden' | 'head')[]): TfGraph {
  const graph = new Graph();
  const values = {
    hidden: parameter(graph, 'hidden', [POSITIONS, HIDDEN]),
    head: parameter(graph, 'head', [VOCAB, HIDDEN]),
  };
  const targets = constant(graph, new Int32Array(POSITIONS), [POSITIONS]);
  const weights = constant(graph, new Float32Array(POSITIONS).fill(1), [POSITIONS]);
  const loss = tokenLoss(values.hidden, values.head, targets, weights, CHUNK);
  graph.output('loss', loss);
  const gradients = differentiate(
    loss,
    wanted.map((name) => values[name]),
  );
  wanted.forEach((name, i) => graph.output(`gradient/${name}`, gradients[i]!));
  return lowerToTensorFlow(graph, 'native');
}

/** What must have run before a node does, control edges included. */
function before(graph: TfGraph, node: TfNode): Set<string> {
  const byName = new Map(graph.nodes.map((each) => [each.name, each]));
  const seen = new Set<string>();
  const stack = [...node.inputs];
  while (stack.length > 0) {
    const name = stack.pop()!.replace(/^\^|:\d+$/g, '');
    if (seen.has(name)) continue;
    seen.add(name);
    stack.push(...byName.get(name)!.inputs);
  }
  return seen;
}

const products = (graph: TfGraph): TfNode[] => graph.nodes.filter(({ op }) => op === 'BatchMatMulV2');
const flag = (node: TfNode, name: string): boolean => (node.attrs[name] as { b: boolean }).b;
/** hidden head^T, slope head and slope^T hidden differ in what is transposed. */
const isLogits = (node: TfNode): boolean => flag(node, 'adj_y');

describe('the loss of tokens in chunks', () => {
  it.each([
    ['the loss alone', []],
    ['gradients of the hidden states', ['hidden']],
    ['gradients of the head', ['head']],
    ['both gradients', ['hidden', 'head']],
  ] as const)('makes the logits of a chunk when the chunk before is done, for %s', (_name, wanted) => {
    const graph = lowered([...wanted]);
    const logits = products(graph).filter(isLogits);
    expect(logits).toHaveLength(POSITIONS / CHUNK);
    const perChunk = 1 + wanted.length;
    expect(products(graph), 'gradients that nobody wants').toHaveLength(logits.length * perChunk);
    logits.forEach((node, chunk) => {
      const done = before(graph, node);
      expect(products(graph).filter(({ name }) => done.has(name))).toHaveLength(chunk * perChunk);
      const entropies = graph.nodes.filter(({ op }) => op === 'SparseSoftmaxCrossEntropyWithLogits');
      expect(entropies.filter(({ name }) => done.has(name))).toHaveLength(chunk);
    });
  });
});
