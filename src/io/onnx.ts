import { closeSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { LlmkitError } from '../core/errors.ts';
import { ioError, writeAll } from './atomic.ts';
import type { OnnxAttr, OnnxData, OnnxDType, OnnxGraph, OnnxInitializer, OnnxPort } from './onnx-graph.ts';
import {
  ATTRIBUTE_TYPES,
  EXTERNAL,
  modelProto,
  ONNX_TYPES,
  type RawAttribute,
  type RawModel,
  type RawPort,
  type RawTensor,
} from './onnx-proto.ts';

export interface OnnxWriteOptions {
  /** Name of the file, beside the model, that takes every initializer of at least `externalBytes`. */
  externalFile?: string;
  /** Default 1,024: shapes and scalars stay inline, where ONNX Runtime's optimizer sees them. */
  externalBytes?: number;
}

const OPSET = 18;
const MICROSOFT = 'com.microsoft';
const IR_VERSION = 9;
/** A page, so that the runtime can map each weight from the file. */
const EXTERNAL_ALIGNMENT = 4096;
/** Protobuf messages end at 2 GiB. */
const MAX_PROTO_BYTES = 2 ** 31 - 1;

/**
 * Writes a graph as an ONNX model (opset 18, com.microsoft 1, IR version 9). Initializers given as functions are called
 * one at a time, so memory holds one weight. Not atomic: write into a folder of `withAtomicDir`.
 *
 * @throws LlmkitError('io') when the disk refuses, 'bug' when an initializer's data does not fit its shape.
 */
export function writeOnnxModel(path: string, graph: OnnxGraph, options: OnnxWriteOptions = {}): void {
  try {
    const external = options.externalFile;
    const initializers =
      external === undefined
        ? graph.initializers.map((tensor) => inlineTensor(tensor))
        : writeExternal(dirname(path), external, options.externalBytes ?? 1024, graph.initializers);
    writeFileSync(path, encode(graph, initializers, path));
  } catch (error) {
    throw ioError(error, `cannot write ${path}`, path);
  }
}

/** A small model's bytes, weights inline. */
export function encodeOnnxModel(graph: OnnxGraph): Uint8Array {
  return encode(
    graph,
    graph.initializers.map((tensor) => inlineTensor(tensor)),
    graph.name ?? 'model',
  );
}

function encode(graph: OnnxGraph, initializer: RawTensor[], where: string): Uint8Array {
  const model: RawModel = {
    irVersion: IR_VERSION,
    producerName: 'llmkit',
    opsetImport: [
      { domain: '', version: OPSET },
      { domain: MICROSOFT, version: 1 },
    ],
    graph: {
      name: graph.name ?? 'llmkit',
      node: graph.nodes.map((node) => ({
        name: node.name,
        opType: node.op,
        domain: node.domain ?? '',
        input: node.inputs,
        output: node.outputs,
        attribute: Object.entries(node.attrs).map(([name, attr]) => rawAttribute(name, attr)),
      })),
      initializer,
      input: graph.inputs.map(rawPort),
      output: graph.outputs.map(rawPort),
    },
  };
  const bytes = modelProto.encode(modelProto.create(model)).finish();
  if (bytes.byteLength > MAX_PROTO_BYTES) {
    throw new LlmkitError('bug', 'an ONNX model above 2 GiB needs its weights in an external file', { where });
  }
  return bytes;
}

/**
 * Reads a model back as plain data. Inline initializers carry `data`, the others `external`; read those with
 * {@link readExternal}.
 *
 * @throws LlmkitError('data') when the file is not an ONNX model.
 */
export function readOnnxModel(path: string): OnnxGraph {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw ioError(error, `cannot read ${path}`, path);
  }
  let model: RawModel;
  try {
    model = modelProto.toObject(modelProto.decode(bytes), { longs: Number }) as RawModel;
    if (model.graph === undefined) throw new Error('it has no graph');
  } catch (cause) {
    throw new LlmkitError('data', `not an ONNX model: ${(cause as Error).message}`, { where: path, cause });
  }
  const { graph } = model;
  return {
    name: graph.name ?? '',
    nodes: (graph.node ?? []).map((node) => ({
      name: node.name ?? '',
      op: node.opType,
      ...(node.domain === undefined || node.domain === '' ? {} : { domain: node.domain }),
      inputs: node.input ?? [],
      outputs: node.output ?? [],
      attrs: Object.fromEntries((node.attribute ?? []).map((raw) => [raw.name, plainAttribute(raw, path)])),
    })),
    inputs: (graph.input ?? []).map((raw) => plainPort(raw, path)),
    outputs: (graph.output ?? []).map((raw) => plainPort(raw, path)),
    initializers: (graph.initializer ?? []).map((raw) => plainTensor(raw, path)),
  };
}

/** The data of an initializer, read from its file when it is external. */
export function readExternal(modelPath: string, tensor: OnnxInitializer): OnnxData {
  if ('data' in tensor) return typeof tensor.data === 'function' ? tensor.data() : tensor.data;
  const path = join(dirname(modelPath), tensor.external.location);
  const bytes = new Uint8Array(tensor.external.length);
  try {
    const fd = openSync(path, 'r');
    try {
      const read = readSync(fd, bytes, 0, bytes.length, tensor.external.offset);
      if (read !== bytes.length) throw truncated(path, tensor.name, bytes.length, read);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw ioError(error, `cannot read ${path}`, path);
  }
  return typed(tensor.dtype, bytes);
}

function truncated(path: string, name: string, expected: number, got: number): LlmkitError {
  return new LlmkitError('data', `the weights of ${name} are cut short`, {
    where: path,
    expected: `${expected} bytes`,
    got: `${got}`,
  });
}

function inlineTensor(tensor: OnnxInitializer): RawTensor {
  if ('external' in tensor) return externalTensor(tensor, tensor.external);
  return { ...rawTensor(tensor), name: tensor.name, rawData: bytesOf(tensor) };
}

function writeExternal(dir: string, file: string, minBytes: number, tensors: OnnxInitializer[]): RawTensor[] {
  const path = join(dir, file);
  const fd = openSync(path, 'w');
  let position = 0;
  try {
    return tensors.map((tensor) => {
      if ('external' in tensor || byteLength(tensor) < minBytes) return inlineTensor(tensor);
      const offset = Math.ceil(position / EXTERNAL_ALIGNMENT) * EXTERNAL_ALIGNMENT;
      const bytes = bytesOf(tensor);
      writeAll(fd, new Uint8Array(offset - position));
      writeAll(fd, bytes);
      position = offset + bytes.byteLength;
      return externalTensor(tensor, { location: file, offset, length: bytes.byteLength });
    });
  } finally {
    closeSync(fd);
    if (position === 0) rmSync(path);
  }
}

function externalTensor(
  tensor: OnnxInitializer,
  place: { location: string; offset: number; length: number },
): RawTensor {
  const externalData = Object.entries(place).map(([key, value]) => ({ key, value: String(value) }));
  return { ...rawTensor(tensor), name: tensor.name, externalData, dataLocation: EXTERNAL };
}

function rawTensor(tensor: { dtype: OnnxDType; dims: number[] }): RawTensor {
  return { dims: tensor.dims, dataType: ONNX_TYPES[tensor.dtype].code };
}

function byteLength(tensor: { dtype: OnnxDType; dims: number[] }): number {
  return tensor.dims.reduce((product, dim) => product * dim, 1) * ONNX_TYPES[tensor.dtype].bytes;
}

function bytesOf(tensor: { name?: string; dtype: OnnxDType; dims: number[]; data: OnnxData | (() => OnnxData) }) {
  const data = typeof tensor.data === 'function' ? tensor.data() : tensor.data;
  if (data.byteLength !== byteLength(tensor)) {
    throw new LlmkitError('bug', `the data of ${tensor.name ?? 'an attribute'} does not fit its shape`, {
      expected: `${tensor.dtype} [${tensor.dims.join(', ')}] = ${byteLength(tensor)} bytes`,
      got: `${data.byteLength}`,
    });
  }
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function rawAttribute(name: string, attr: OnnxAttr): RawAttribute {
  if ('i' in attr) return { name, type: ATTRIBUTE_TYPES.i, i: attr.i };
  if ('f' in attr) return { name, type: ATTRIBUTE_TYPES.f, f: attr.f };
  if ('s' in attr) return { name, type: ATTRIBUTE_TYPES.s, s: Buffer.from(attr.s) };
  if ('ints' in attr) return { name, type: ATTRIBUTE_TYPES.ints, ints: attr.ints };
  if ('floats' in attr) return { name, type: ATTRIBUTE_TYPES.floats, floats: attr.floats };
  if ('strings' in attr) {
    return { name, type: ATTRIBUTE_TYPES.strings, strings: attr.strings.map((value) => Buffer.from(value)) };
  }
  return { name, type: ATTRIBUTE_TYPES.tensor, t: { ...rawTensor(attr.tensor), rawData: bytesOf(attr.tensor) } };
}

function text(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString();
}

function plainAttribute(raw: RawAttribute, where: string): OnnxAttr {
  switch (raw.type) {
    case ATTRIBUTE_TYPES.i:
      return { i: raw.i ?? 0 };
    case ATTRIBUTE_TYPES.f:
      return { f: raw.f ?? 0 };
    case ATTRIBUTE_TYPES.s:
      return { s: text(raw.s) };
    case ATTRIBUTE_TYPES.ints:
      return { ints: raw.ints ?? [] };
    case ATTRIBUTE_TYPES.floats:
      return { floats: raw.floats ?? [] };
    case ATTRIBUTE_TYPES.strings:
      return { strings: (raw.strings ?? []).map(text) };
    default:
      if (raw.t === undefined) {
        throw new LlmkitError('data', `attribute ${raw.name} is of type ${raw.type}, which llmkit does not read`, {
          where,
        });
      }
      return {
        tensor: {
          dtype: plainDType(raw.t.dataType, where),
          dims: raw.t.dims ?? [],
          data: typed(plainDType(raw.t.dataType, where), raw.t.rawData ?? new Uint8Array(0)),
        },
      };
  }
}

function rawPort(port: OnnxPort): RawPort {
  const dim = port.dims.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return { name: port.name, type: { tensorType: { elemType: ONNX_TYPES[port.dtype].code, shape: { dim } } } };
}

function plainPort(raw: RawPort, where: string): OnnxPort {
  const { elemType, shape } = raw.type.tensorType;
  const dims = (shape?.dim ?? []).map((dim) => dim.dimValue ?? dim.dimParam ?? '?');
  return { name: raw.name, dtype: plainDType(elemType, where), dims };
}

function plainTensor(raw: RawTensor, where: string): OnnxInitializer {
  const dtype = plainDType(raw.dataType, where);
  const tensor = { name: raw.name ?? '', dtype, dims: raw.dims ?? [] };
  if (raw.dataLocation !== EXTERNAL) return { ...tensor, data: typed(dtype, raw.rawData ?? new Uint8Array(0)) };
  const place = new Map((raw.externalData ?? []).map(({ key, value }) => [key, value]));
  const location = place.get('location') ?? '';
  return {
    ...tensor,
    external: {
      location,
      offset: Number(place.get('offset') ?? 0),
      length: Number(place.get('length') ?? byteLength(tensor)),
    },
  };
}

function plainDType(code: number, where: string): OnnxDType {
  for (const [dtype, type] of Object.entries(ONNX_TYPES)) if (type.code === code) return dtype as OnnxDType;
  throw new LlmkitError('data', `element type ${code} of ONNX is not supported`, { where });
}

/** A copy of `bytes` as the array of its dtype: a slice of the file may start anywhere. */
function typed(dtype: OnnxDType, bytes: Uint8Array): OnnxData {
  const buffer = Uint8Array.from(bytes).buffer;
  if (dtype === 'f32') return new Float32Array(buffer);
  if (dtype === 'i64') return new BigInt64Array(buffer);
  if (dtype === 'i32') return new Int32Array(buffer);
  if (dtype === 'i8') return new Int8Array(buffer);
  if (dtype === 'f16' || dtype === 'bf16') return new Uint16Array(buffer);
  return new Uint8Array(buffer);
}
