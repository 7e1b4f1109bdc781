import { LlmkitError } from '../core/errors.ts';
import { expand, rewrite } from './rewrite.ts';
import { emitters } from './tensorflow-ops.ts';
import { staticShape } from './types.ts';
import type { Graph, Node, Value } from './types.ts';
import { tfType } from './tf-emission.ts';
import type { TfEmission, TfTarget } from './tf-emission.ts';
import type { TfGraph, TfNode, TfPort } from './tf-graph.ts';

/**
 * Lowers a graph to TensorFlow: composites are replaced by their parts, each primitive by TensorFlow ops, and what the
 * outputs do not need is left out. Inputs and parameters become placeholders under their own names; a bf16 parameter
 * [..., n] is fed as int32 [..., n/2] and bitcast, because the session would copy 16-bit feeds.
 */
export function lowerToTensorFlow(graph: Graph, target: TfTarget): TfGraph {
  const primitive = rewrite(expand(graph, () => true));
  const nodes: TfNode[] = [];
  const inputs: TfPort[] = [];
  const refs = new Map<Value, string>();
  const constants = new Map<string, string>();

  let current: Node | undefined;
  let parts = 0;
  let controls: string[] = [];
  const emission: TfEmission = {
    target,
    add(op, from, attrs = {}) {
      const scope = current?.scope ? `${current.scope}/` : '';
      const name = `${scope}${current?.def.name ?? 'constant'}_${current?.id ?? nodes.length}_${parts++}`;
      nodes.push({ name, op, inputs: from.length > 0 ? [...from, ...controls] : from, attrs });
      return name;
    },
    feed(name, attrs) {
      nodes.push({ name, op: 'Placeholder', inputs: [], attrs });
      return name;
    },
    ints(values, shape = [values.length]) {
      const key = `${shape.join('x')}:${values.join()}`;
      const known = constants.get(key);
      if (known) return known;
      const name = `ints_${constants.size}`;
      const data = Int32Array.from(values);
      nodes.push({
        name,
        op: 'Const',
        inputs: [],
        attrs: { dtype: { type: 'i32' }, value: { tensor: { dtype: 'i32', shape, data } } },
      });
      constants.set(key, name);
      return name;
    },
    ref: (value) => refs.get(value)!,
  };

  for (const node of primitive.nodes) {
    current = node;
    parts = 0;
    controls = target === 'native' ? node.controls.map((value) => `^${refs.get(value)!.split(':')[0]}`) : [];
    const port = node.def.name === 'input' || node.def.name === 'parameter' ? portOf(node) : undefined;
    if (port) inputs.push(port);
    const emit = emitters[node.def.name];
    if (!emit) throw new LlmkitError('bug', `TensorFlow has no lowering for ${node.def.name}`);
    emit(node, emission).forEach((ref, i) => refs.set(node.outputs[i]!, ref));
  }
  current = undefined;
  controls = [];

  const outputs = [...primitive.outputs].map(([name, value]) => {
    // Every output gets a node of its own: two outputs may be the same value, and placeholders cannot be fetched.
    const ref = emission.add('Identity', [refs.get(value)!], { T: { type: tfType(value.dtype) } });
    return { name, ref, dtype: tfType(value.dtype), shape: staticShape(value) };
  });
  return { nodes, inputs, outputs };
}

function portOf(node: Node): TfPort {
  const { name } = node.attrs as { name: string };
  const output = node.outputs[0]!;
  return { name, dtype: tfType(output.dtype), shape: staticShape(output) };
}
