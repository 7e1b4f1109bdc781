import { LlmkitError } from '../core/errors.ts';
import type { OnnxAttr, OnnxData, OnnxDType, OnnxGraph, OnnxInitializer, OnnxNode } from './onnx-graph.ts';
import { onnxEmitters } from './onnx-ops.ts';
import { expand, rewrite } from './rewrite.ts';
import type { Graph, Node, Value } from './types.ts';

/** Where emitters put their nodes and find their inputs. */
export interface OnnxEmission {
  /** Adds a node with `outputs` outputs and returns their names. */
  add(op: string, inputs: string[], options?: OnnxNodeOptions): string[];
  /** A small constant. */
  constant(data: OnnxData, dims: number[], dtype: OnnxDType): string;
  ref(value: Value): string;
  /** The norm, if any, that reads this sum first: the two are one kernel. */
  normOf(sum: Value): Node | undefined;
  /** Says where a value is, for nodes that are emitted together with another. */
  bind(value: Value, ref: string): void;
}

export interface OnnxNodeOptions {
  domain?: string;
  attrs?: Record<string, OnnxAttr>;
  outputs?: number;
}

const NORMS: ReadonlySet<string> = new Set(['rms_norm', 'layer_norm']);

/** A weight's data, made when its turn comes to be written. */
export type WeightData = (name: string) => OnnxData;

/**
 * Lowers an inference graph to ONNX. Composites for which ONNX Runtime has a kernel stay whole; the others are replaced by
 * their parts. Parameters become initializers that call `weightData` when they are written.
 */
export function lowerToOnnx(graph: Graph, weightData: WeightData): OnnxGraph {
  const source = rewrite(expand(graph, (node) => !(node.def.name in onnxEmitters)));
  const nodes: OnnxNode[] = [];
  const initializers: OnnxInitializer[] = [];
  const refs = new Map<Value, string>();
  const constants = new Map<string, string>();
  const norms = new Map<Value, Node>();
  const inputs: OnnxGraph['inputs'] = [];
  for (const node of source.nodes) {
    const { name } = node.attrs as { name: string };
    const [output] = node.outputs as [Value];
    if (NORMS.has(node.def.name) && !norms.has(node.inputs[0]!)) norms.set(node.inputs[0]!, node);
    if (node.def.name === 'input') inputs.push({ name, dtype: output.dtype, dims: [...output.shape] });
    else if (node.def.name !== 'parameter') continue;
    else initializers.push({ name, dtype: output.dtype, dims: output.shape as number[], data: () => weightData(name) });
    refs.set(output, name);
  }

  let current: Node | undefined;
  let count = 0;
  const emission: OnnxEmission = {
    add(op, inputs, { domain, attrs = {}, outputs = 1 } = {}) {
      const scope = current?.scope ? `${current.scope}/` : '';
      const name = `${scope}${op}_${count++}`;
      const names = Array.from({ length: outputs }, (_, i) => (outputs === 1 ? name : `${name}.${i}`));
      nodes.push({ name, op, inputs, outputs: names, attrs, ...(domain === undefined ? {} : { domain }) });
      return names;
    },
    constant(data, dims, dtype) {
      const key = `${dtype}[${dims.join()}]${data.length <= 16 ? data.join() : `#${constants.size}`}`;
      const known = constants.get(key);
      if (known) return known;
      const name = `constant_${constants.size}`;
      initializers.push({ name, dtype, dims, data });
      constants.set(key, name);
      return name;
    },
    ref(value) {
      const ref = refs.get(value);
      if (ref === undefined) throw new LlmkitError('bug', `${value.node.def.name} is read before it is emitted`);
      return ref;
    },
    normOf: (sum) => norms.get(sum),
    bind: (value, ref) => refs.set(value, ref),
  };

  for (const node of source.nodes) {
    current = node;
    if (refs.has(node.outputs[0]!)) continue;
    const emit = onnxEmitters[node.def.name];
    if (!emit) throw new LlmkitError('bug', `ONNX has no lowering for ${node.def.name}`);
    emit(node, emission).forEach((ref, i) => refs.set(node.outputs[i]!, ref));
  }

  current = undefined;
  const outputs = [...source.outputs].map(([name, value]) => {
    nodes.push({ name: `output/${name}`, op: 'Identity', inputs: [refs.get(value)!], outputs: [name], attrs: {} });
    return { name, dtype: value.dtype, dims: [...value.shape] };
  });
  nameOutputsInPlace(nodes);
  return { nodes, inputs, outputs, initializers };
}

/** An Identity at the end would copy, and would break the cache's sharing of memory: the producer takes the output's name. */
function nameOutputsInPlace(nodes: OnnxNode[]): void {
  const producers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const renamed = new Map<string, string>();
  for (let i = nodes.length - 1; i >= 0; i--) {
    const { op, name, inputs, outputs } = nodes[i]!;
    const source = inputs[0]!;
    if (op !== 'Identity' || !name.startsWith('output/') || !producers.has(source) || renamed.has(source)) continue;
    renamed.set(source, outputs[0]!);
    nodes.splice(i, 1);
  }
  for (const node of nodes) {
    node.inputs = node.inputs.map((name) => renamed.get(name) ?? name);
    node.outputs = node.outputs.map((name) => renamed.get(name) ?? name);
  }
}
