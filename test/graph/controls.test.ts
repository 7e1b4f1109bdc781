import { describe, expect, it } from 'vitest';
import { geluOp } from '../../src/graph/composites/activation.ts';
import {
  Graph,
  differentiate,
  input,
  lowerToOnnx,
  maximum,
  mul,
  recompute,
  scale,
  sumAll,
} from '../../src/graph/index.ts';
import { expand } from '../../src/graph/rewrite.ts';
import { apply } from '../../src/graph/types.ts';
import type { Node, OpDef, Value } from '../../src/graph/types.ts';

/** Whether a node runs after a value exists, by inputs or by control edges. */
function follows(node: Node, value: Value): boolean {
  return [...node.inputs, ...node.controls].some((each) => each === value || follows(each.node, value));
}

describe('control edges', () => {
  it.each([true, false])(
    'hold back all of a composite that begins with a constant (approximate: %s)',
    (approximate) => {
      const graph = new Graph();
      const [x, gate] = [input(graph, 'x', [3], 'f32'), input(graph, 'gate', [3], 'f32')];
      graph.output('y', graph.add(geluOp, [x], { approximate }, { controls: [gate] }).outputs[0]!);
      const parts = expand(graph, () => true);
      const held = parts.nodes.find(({ attrs }) => (attrs as { name?: string }).name === 'gate')!.outputs[0]!;
      const computing = parts.nodes.filter(({ inputs }) => inputs.length > 0);
      expect(computing.length).toBeGreaterThan(4);
      expect(computing.filter((node) => !follows(node, held)).map(({ def }) => def.name)).toEqual([]);
    },
  );

  it('hold back a slope made of forward values and constants until the gradient arrives', () => {
    const squaredOp: OpDef<Record<never, never>> = {
      name: 'squared',
      infer: ([x]) => [{ shape: x!.shape, dtype: 'f32' }],
      gradient: ({ inputs: [x] }, [dy]) => [mul(scale(x!, 2), dy!)],
    };
    const graph = new Graph();
    const x = input(graph, 'x', [3], 'f32');
    const y = graph.within('block', () => apply(squaredOp, [scale(x, 3)], {}));
    const [gradient] = differentiate(sumAll(y), [x]);
    graph.output('gradient', gradient!);
    const again = recompute(graph, (scope) => scope === 'block');
    const entry = again.gradientEntry.get('block')!;
    const backward = again.nodes.filter(
      ({ scope, phase, inputs }) => scope === 'block' && phase === 'backward' && inputs.length > 0,
    );
    expect(backward.length).toBeGreaterThan(2);
    expect(backward.filter((node) => !follows(node, entry)).map(({ def }) => def.name)).toEqual([]);
  });
});

describe('lowering to ONNX', () => {
  it('names an op that it has no form for', () => {
    const graph = new Graph();
    const x = input(graph, 'x', [3], 'f32');
    graph.output('y', maximum(x, x));
    const lower = (): unknown => lowerToOnnx(graph, () => new Float32Array());
    expect(lower).toThrow(expect.objectContaining({ kind: 'bug', message: expect.stringContaining('maximum') }));
  });
});
