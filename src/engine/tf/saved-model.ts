import protobuf from 'protobufjs';
import { LlmkitError } from '../../core/errors.ts';
import type { TfAttr, TfGraph, TfNode, TfPort } from '../../graph/tf-graph.ts';
import { TF_TYPE } from './dtypes.ts';

/** Protobuf messages end at 2 GiB; weights are fed, so only constants count. */
const MAX_PROTO_BYTES = 2 ** 31 - 1;

/**
 * The messages and fields of TensorFlow's protos that a SavedModel made here needs
 * (saved_model.proto, meta_graph.proto, graph.proto, node_def.proto, attr_value.proto, tensor.proto, tensor_shape.proto).
 */
const messages = `
syntax = "proto3";
message SavedModel { int64 schema_version = 1; repeated MetaGraphDef meta_graphs = 2; }
message MetaGraphDef { MetaInfoDef meta_info = 1; GraphDef graph = 2; map<string, SignatureDef> signatures = 5; }
message MetaInfoDef { repeated string tags = 4; }
message SignatureDef { map<string, TensorInfo> inputs = 1; map<string, TensorInfo> outputs = 2; string method_name = 3; }
message TensorInfo { string name = 1; int32 dtype = 2; TensorShapeProto shape = 3; }
message GraphDef { repeated NodeDef node = 1; VersionDef versions = 4; }
message VersionDef { int32 producer = 1; }
message NodeDef { string name = 1; string op = 2; repeated string input = 3; map<string, AttrValue> attr = 5; }
message AttrValue {
  oneof value {
    ListValue list = 1; bytes s = 2; int64 i = 3; float f = 4; bool b = 5; int32 type = 6;
    TensorShapeProto shape = 7; TensorProto tensor = 8;
  }
}
message ListValue { repeated int64 i = 3; }
message TensorProto { int32 dtype = 1; TensorShapeProto shape = 2; bytes content = 4; }
message TensorShapeProto { message Dim { int64 size = 1; } repeated Dim dim = 2; }
`;

const SavedModel = protobuf.parse(messages).root.lookupType('SavedModel');

/**
 * What input `index` of a graph is called in its SavedModel. The addon takes the names of all inputs as one string and
 * allocates its whole length for each of them, at every run: names of checkpoints would make that tens of megabytes.
 */
export const feedName = (index: number): string => `i${index}`;

/**
 * A graph as the bytes of `saved_model.pb`: one MetaGraphDef tagged `serve`, with a `serving_default` signature.
 * Inputs are called `feedName`; other nodes keep their names. Throws a bug when the constants outgrow protobuf's 2 GiB.
 */
export function encodeSavedModel(graph: TfGraph): Uint8Array {
  const constantBytes = graph.nodes.reduce((sum, node) => sum + tensorBytes(node), 0);
  if (constantBytes > MAX_PROTO_BYTES) {
    throw new LlmkitError('bug', 'the constants of a graph do not fit in a SavedModel', {
      expected: `at most ${MAX_PROTO_BYTES} bytes`,
      got: `${constantBytes} bytes`,
      hint: 'feed large tensors as inputs',
    });
  }
  const feeds = new Map(graph.inputs.map(({ name }, index) => [name, feedName(index)]));
  const message = SavedModel.create({
    schemaVersion: 1,
    metaGraphs: [
      {
        metaInfo: { tags: ['serve'] },
        // Producer 1087 is TensorFlow 2.9's: old enough for every libtensorflow that may be loaded here.
        graph: { node: graph.nodes.map((node) => nodeDef(node, feeds)), versions: { producer: 1087 } },
        signatures: {
          serving_default: {
            inputs: Object.fromEntries(
              graph.inputs.map((port, index) => [port.name, tensorInfo(port, feedName(index))]),
            ),
            outputs: Object.fromEntries(graph.outputs.map((port) => [port.name, tensorInfo(port, port.ref)])),
            methodName: 'tensorflow/serving/predict',
          },
        },
      },
    ],
  });
  return SavedModel.encode(message).finish();
}

/** `node` or `node:1` with its output index written out. */
export function tensorName(ref: string): string {
  return ref.includes(':') ? ref : `${ref}:0`;
}

function tensorInfo(port: TfPort, ref: string): object {
  return { name: tensorName(ref), dtype: TF_TYPE[port.dtype], shape: shapeProto(port.shape) };
}

function nodeDef(node: TfNode, feeds: ReadonlyMap<string, string>): object {
  return {
    name: feeds.get(node.name) ?? node.name,
    op: node.op,
    input: node.inputs.map((ref) => ref.replace(/[^^:]+/, (name) => feeds.get(name) ?? name)),
    attr: Object.fromEntries(Object.entries(node.attrs).map(([name, attr]) => [name, attrValue(attr)])),
  };
}

function attrValue(attr: TfAttr): object {
  if ('type' in attr) return { type: TF_TYPE[attr.type] };
  if ('shape' in attr) return { shape: shapeProto(attr.shape) };
  if ('ints' in attr) return { list: { i: attr.ints } };
  if ('s' in attr) return { s: new TextEncoder().encode(attr.s) };
  if ('tensor' in attr) {
    const { dtype, shape, data } = attr.tensor;
    const content = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return { tensor: { dtype: TF_TYPE[dtype], shape: shapeProto(shape), content } };
  }
  return attr;
}

function shapeProto(shape: readonly number[]): object {
  return { dim: shape.map((size) => ({ size })) };
}

function tensorBytes(node: TfNode): number {
  let bytes = 0;
  for (const attr of Object.values(node.attrs)) if ('tensor' in attr) bytes += attr.tensor.data.byteLength;
  return bytes;
}
