import type { GraphModel } from '@tensorflow/tfjs-converter';
import type { io } from '@tensorflow/tfjs-core';
import { LlmkitError } from '../../core/errors.ts';
import type { TfAttr, TfGraph, TfNode } from '../../graph/tf-graph.ts';
import { TF_TYPE_NAME } from './dtypes.ts';

/** What GraphModel's loader takes: the GraphDef in protobuf's JSON form, and its constants as one buffer. */
export type GraphArtifacts = io.ModelArtifacts;
export type WasmGraphModel = GraphModel<io.IOHandlerSync>;

/**
 * A graph as tfjs's GraphModel reads it. Control edges are dropped (GraphModel would take them for inputs; it runs
 * nodes in order and frees what nothing needs). tfjs has no int64 and no bytes: both become int32.
 * Throws a bug for bf16, which tfjs cannot hold: a graph for wasm is lowered in f32.
 */
export function toGraphArtifacts(graph: TfGraph): GraphArtifacts {
  const weightSpecs: io.WeightsManifestEntry[] = [];
  const chunks: Uint8Array[] = [];
  for (const node of graph.nodes) {
    if (node.op !== 'Const') continue;
    const attr = node.attrs['value'];
    if (attr === undefined || !('tensor' in attr))
      throw new LlmkitError('bug', 'a Const node has no value', { where: node.name });
    const { dtype, data } = constantData(node, attr.tensor);
    weightSpecs.push({ name: node.name, shape: attr.tensor.shape, dtype });
    chunks.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return {
    format: 'graph-model',
    modelTopology: { node: graph.nodes.map(jsonNode), versions: { producer: 1087 } },
    weightSpecs,
    weightData: concat(chunks),
  };
}

/** `node:0` is `node` to GraphModel. */
export function graphModelName(ref: string): string {
  return ref.endsWith(':0') ? ref.slice(0, -2) : ref;
}

function jsonNode(node: TfNode): object {
  const attr: Record<string, object> = {};
  for (const [name, value] of Object.entries(node.attrs)) {
    const json = jsonAttr(value, node);
    if (json !== undefined) attr[name] = json;
  }
  const input = node.inputs.filter((ref) => !ref.startsWith('^')).map(graphModelName);
  return { name: node.name, op: node.op, input, attr };
}

function jsonAttr(attr: TfAttr, node: TfNode): object | undefined {
  if ('type' in attr) {
    if (attr.type === 'bf16') throw bf16Error(node.name);
    // Wide and narrow integers are int32 here, so that Cast and Const agree with what tfjs holds.
    const type = attr.type === 'i64' || attr.type === 'u8' ? 'i32' : attr.type;
    return { type: TF_TYPE_NAME[type] };
  }
  if ('shape' in attr) return { shape: { dim: attr.shape.map((size) => ({ size: String(size) })) } };
  if ('ints' in attr) return { list: { i: attr.ints.map(String) } };
  if ('s' in attr) return { s: Buffer.from(attr.s).toString('base64') };
  if ('i' in attr) return { i: String(attr.i) };
  // The value of a Const travels in weightData.
  return 'tensor' in attr ? undefined : attr;
}

type TensorAttr = Extract<TfAttr, { tensor: unknown }>['tensor'];

function constantData(
  node: TfNode,
  tensor: TensorAttr,
): { dtype: 'float32' | 'int32' | 'bool'; data: ArrayBufferView } {
  switch (tensor.dtype) {
    case 'f32':
      return { dtype: 'float32', data: tensor.data };
    case 'bool':
      return { dtype: 'bool', data: tensor.data };
    case 'i32':
      return { dtype: 'int32', data: tensor.data };
    case 'u8':
    case 'i64':
      return { dtype: 'int32', data: Int32Array.from(tensor.data as Uint8Array | BigInt64Array, Number) };
    case 'bf16':
      throw bf16Error(node.name);
  }
}

function bf16Error(where: string): LlmkitError {
  return new LlmkitError('bug', 'a graph for the wasm engine holds bf16, which it cannot', {
    where,
    hint: 'lower the graph for wasm: f32 weights, no Bitcast',
  });
}

function concat(chunks: readonly Uint8Array[]): ArrayBuffer {
  const total = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  const out = new Uint8Array(total);
  let offset = 0;
  for (const chunk of chunks) {
    out.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return out.buffer;
}
