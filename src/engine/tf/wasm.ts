import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import type * as Converter from '@tensorflow/tfjs-converter';
import type * as Wasm from '@tensorflow/tfjs-backend-wasm';
import type * as Core from '@tensorflow/tfjs-core';
import { LlmkitError } from '../../core/errors.ts';
import type { TfDType, TfGraph } from '../../graph/tf-graph.ts';
import { checkTensorData } from './dtypes.ts';
import { checkFeeds, checkGraph } from './feeds.ts';
import type { TfData, TfEngine, TfProgram, TfReadData, TfTensor } from './types.ts';
import { graphModelName, toGraphArtifacts, type WasmGraphModel } from './wasm-graph.ts';
import { registerWasmMatMul } from './wasm-matmul.ts';
import { registerWasmOps } from './wasm-ops.ts';

/** tfjs's dtype for each of ours; tfjs has no bytes, they are widened. */
const TFJS_DTYPE = { f32: 'float32', i32: 'int32', u8: 'int32', bool: 'bool' } as const;

interface Tfjs {
  core: typeof Core;
  converter: typeof Converter;
}

class WasmTensor implements TfTensor {
  readonly dtype: TfDType;
  readonly inner: Core.Tensor;

  constructor(inner: Core.Tensor, dtype: TfDType) {
    this.inner = inner;
    this.dtype = dtype;
  }

  get shape(): readonly number[] {
    return this.inner.shape;
  }

  dispose(): void {
    if (!this.inner.isDisposed) this.inner.dispose();
  }
}

class WasmProgram implements TfProgram {
  readonly inputs: string[];
  readonly outputs: string[];
  readonly #model: WasmGraphModel;
  readonly #graph: TfGraph;
  readonly #released: (program: WasmProgram) => void;
  #disposed = false;

  constructor(model: WasmGraphModel, graph: TfGraph, released: (program: WasmProgram) => void) {
    this.#model = model;
    this.#graph = graph;
    this.#released = released;
    this.inputs = graph.inputs.map((port) => port.name);
    this.outputs = graph.outputs.map((port) => port.name);
  }

  run(feeds: Record<string, TfTensor>): Record<string, TfTensor> {
    if (this.#disposed) throw new LlmkitError('bug', 'a program is run after dispose()');
    const tensors = checkFeeds(this.#graph.inputs, feeds).map((tensor) => wasmTensor(tensor).inner);
    const named = Object.fromEntries(this.inputs.map((name, index) => [name, tensors[index]!]));
    const fetches = this.#graph.outputs.map((port) => graphModelName(port.ref));
    const results = executeModel(this.#model, named, [...new Set(fetches)]);
    const outputs: Record<string, TfTensor> = {};
    const taken = new Set<Core.Tensor>();
    for (const [index, port] of this.#graph.outputs.entries()) {
      const result = results.get(fetches[index]!)!;
      // Two outputs of one ref must not share one disposable tensor.
      outputs[port.name] = new WasmTensor(taken.has(result) || result.kept ? result.clone() : result, port.dtype);
      taken.add(result);
    }
    return outputs;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#model.dispose();
    this.#released(this);
  }
}

/** Graphs run node by node in tfjs's GraphModel on the WebAssembly backend: always there, single-threaded, about a tenth of native. */
export class WasmEngine implements TfEngine {
  readonly kind = 'wasm';
  readonly multipliesBf16 = false;
  readonly bf16Products = false;
  readonly description: string;
  readonly reason: string;
  readonly #tfjs: Tfjs;
  readonly #programs = new Set<WasmProgram>();

  private constructor(tfjs: Tfjs, reason: string) {
    this.#tfjs = tfjs;
    this.reason = reason;
    this.description = `TensorFlow.js ${tfjs.core.version_core} (wasm)`;
  }

  /** Starts the backend. `reason` says why this engine was chosen. Throws `environment` when WebAssembly cannot. */
  static async create(reason = 'asked for'): Promise<WasmEngine> {
    // The packages' CommonJS builds: their ES modules import without extensions, which Node refuses.
    const require = createRequire(import.meta.url);
    const core = require('@tensorflow/tfjs-core') as typeof Core;
    const wasm = require('@tensorflow/tfjs-backend-wasm') as typeof Wasm;
    const converter = require('@tensorflow/tfjs-converter') as typeof Converter;
    wasm.setWasmPaths(dirname(require.resolve('@tensorflow/tfjs-backend-wasm')) + sep);
    if (!(await core.setBackend('wasm'))) {
      throw new LlmkitError('environment', 'the wasm engine does not start', { hint: 'npm ci, then llmkit doctor' });
    }
    await core.ready();
    registerWasmOps(core, converter);
    registerWasmMatMul(core);
    return new WasmEngine({ core, converter }, reason);
  }

  load(graph: TfGraph): TfProgram {
    checkGraph(graph);
    const artifacts = toGraphArtifacts(graph);
    try {
      const model = this.#tfjs.converter.loadGraphModelSync(artifacts) as WasmGraphModel;
      const program = new WasmProgram(model, graph, (done) => this.#programs.delete(done));
      this.#programs.add(program);
      return program;
    } catch (cause) {
      throw new LlmkitError('bug', 'the wasm engine refuses a graph', { got: messageOf(cause), cause });
    }
  }

  tensor(data: TfData, shape: readonly number[], dtype: TfDType): TfTensor {
    if (dtype === 'bf16')
      throw new LlmkitError('bug', 'the wasm engine has no bf16', { hint: 'feed f32 to a graph lowered for wasm' });
    checkTensorData(data, shape, dtype);
    const values = dtype === 'u8' ? Int32Array.from(data) : data;
    return new WasmTensor(this.#tfjs.core.tensor(values as Float32Array, [...shape], TFJS_DTYPE[dtype]), dtype);
  }

  read(tensor: TfTensor): TfReadData {
    const { inner, dtype } = wasmTensor(tensor);
    const data = inner.dataSync();
    return dtype === 'u8' ? Uint8Array.from(data) : data.slice();
  }

  numTensors(): number {
    return this.#tfjs.core.memory().numTensors;
  }

  dispose(): void {
    for (const program of this.#programs) program.dispose();
  }
}

function wasmTensor(tensor: TfTensor): WasmTensor {
  if (tensor instanceof WasmTensor) return tensor;
  throw new LlmkitError('bug', 'a tensor of another engine is given to the wasm engine');
}

function executeModel(
  model: WasmGraphModel,
  feeds: Record<string, Core.Tensor>,
  fetches: string[],
): Map<string, Core.Tensor> {
  try {
    const results = model.execute(feeds, fetches);
    const list = Array.isArray(results) ? results : [results];
    return new Map(fetches.map((name, index) => [name, list[index]!]));
  } catch (cause) {
    const got = messageOf(cause);
    if (/memory|allocation failed|out of bounds/i.test(got)) {
      throw new LlmkitError('environment', 'the wasm engine ran out of memory (its heap ends at 4 GiB)', {
        got,
        hint: 'llmkit setup, for the native engine',
        cause,
      });
    }
    throw new LlmkitError('bug', 'the wasm engine failed while running a graph', { got, cause });
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
