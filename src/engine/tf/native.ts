import { rmSync } from 'node:fs';
import { cpuFeatures, multipliesBf16 } from '../../core/cpu.ts';
import { LlmkitError } from '../../core/errors.ts';
import type { TfDType, TfGraph, TfPort } from '../../graph/tf-graph.ts';
import { loadBinding, type TfBinding } from './binding.ts';
import { checkTensorData, dtypeOf, pairedShape, sizeOf, TF_TYPE } from './dtypes.ts';
import { checkFeeds, checkGraph } from './feeds.ts';
import { writeGraphFolder } from './graph-folder.ts';
import { feedName, tensorName } from './saved-model.ts';
import type { TfData, TfEngine, TfProgram, TfReadData, TfTensor } from './types.ts';

class NativeTensor implements TfTensor {
  readonly shape: readonly number[];
  readonly dtype: TfDType;
  readonly #binding: TfBinding;
  #id: number | undefined;

  constructor(binding: TfBinding, id: number, shape: readonly number[], dtype: TfDType) {
    this.#binding = binding;
    this.#id = id;
    this.shape = shape;
    this.dtype = dtype;
  }

  /** The addon's id. Throws a bug after `dispose`. */
  get id(): number {
    if (this.#id === undefined)
      throw new LlmkitError('bug', 'a tensor is used after dispose()', {
        got: `${this.dtype} [${this.shape.join(', ')}]`,
      });
    return this.#id;
  }

  dispose(): void {
    if (this.#id === undefined) return;
    this.#binding.deleteTensor(this.#id);
    this.#id = undefined;
  }
}

class NativeProgram implements TfProgram {
  readonly inputs: string[];
  readonly outputs: string[];
  readonly #binding: TfBinding;
  readonly #ports: { inputs: TfPort[]; outputs: TfPort[] };
  readonly #inputNames: string;
  readonly #outputNames: string;
  readonly #released: (program: NativeProgram) => void;
  #session: number | undefined;

  constructor(binding: TfBinding, graph: TfGraph, session: number, released: (program: NativeProgram) => void) {
    this.#binding = binding;
    this.#session = session;
    this.#ports = { inputs: graph.inputs, outputs: graph.outputs };
    this.inputs = graph.inputs.map((port) => port.name);
    this.outputs = graph.outputs.map((port) => port.name);
    this.#inputNames = this.inputs.map((_, index) => tensorName(feedName(index))).join(',');
    this.#outputNames = graph.outputs.map((port) => tensorName(port.ref)).join(',');
    this.#released = released;
  }

  run(feeds: Record<string, TfTensor>): Record<string, TfTensor> {
    if (this.#session === undefined) throw new LlmkitError('bug', 'a program is run after dispose()');
    const ids = checkFeeds(this.#ports.inputs, feeds).map((tensor) => nativeTensor(tensor).id);
    const results = runSession(this.#binding, this.#session, ids, this.#inputNames, this.#outputNames);
    const outputs: Record<string, TfTensor> = {};
    for (const [index, port] of this.#ports.outputs.entries()) {
      const info = results[index]!;
      outputs[port.name] = new NativeTensor(this.#binding, info.id, info.shape, dtypeOf(info.dtype, port.name));
    }
    return outputs;
  }

  dispose(): void {
    if (this.#session === undefined) return;
    this.#binding.deleteSavedModel(this.#session);
    this.#session = undefined;
    this.#released(this);
  }
}

/** Graphs run as TensorFlow sessions inside libtensorflow, through tfjs-node-gpu's addon. */
export class NativeEngine implements TfEngine {
  readonly kind = 'native';
  readonly description: string;
  readonly reason: string;
  readonly tensorflowVersion: string;
  readonly usesGpu: boolean;
  readonly multipliesBf16: boolean;
  readonly #binding: TfBinding;
  readonly #programs = new Set<NativeProgram>();

  /** Whether products of f32 tensors run in bf16 (TF_SET_ONEDNN_FPMATH_MODE), seen from a product, not from the variable. */
  readonly bf16Products: boolean;

  /** Loads the addon. `reason` says why this engine was chosen. Throws `environment` when it does not load or run. */
  constructor(addonPath: string, reason = 'asked for') {
    this.#binding = loadBinding(addonPath);
    this.reason = reason;
    this.tensorflowVersion = this.#binding.TF_Version;
    this.usesGpu = this.#binding.isUsingGpuDevice();
    // Products run on the GPU where there is one, whatever the processor beside it can do.
    this.multipliesBf16 = this.usesGpu || multipliesBf16(cpuFeatures());
    this.bf16Products = this.#roundsToBf16();
    const mode = this.bf16Products ? ', bf16 products of f32' : '';
    this.description = `TensorFlow ${this.tensorflowVersion} (native, ${this.usesGpu ? 'gpu' : 'cpu'}${mode})`;
  }

  load(graph: TfGraph): TfProgram {
    checkGraph(graph);
    // The session keeps nothing of the folder.
    const directory = writeGraphFolder(graph);
    try {
      const session = this.#binding.loadSavedModel(directory, 'serve');
      const program = new NativeProgram(this.#binding, graph, session, (done) => this.#programs.delete(done));
      this.#programs.add(program);
      return program;
    } catch (cause) {
      const got = cause instanceof Error ? cause.message : String(cause);
      throw new LlmkitError('bug', 'TensorFlow refuses a graph', { got, cause });
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }

  tensor(data: TfData, shape: readonly number[], dtype: TfDType): TfTensor {
    checkTensorData(data, shape, dtype);
    if (dtype === 'bf16') {
      // int32 pairs are what a session takes without a copy; the graph bitcasts them. An odd start cannot be viewed as int32.
      const bits = data.byteOffset % 4 === 0 ? data : data.slice();
      const pairs = new Int32Array(bits.buffer as ArrayBuffer, bits.byteOffset, bits.length / 2);
      return new NativeTensor(
        this.#binding,
        this.#binding.createTensor(pairedShape(shape), TF_TYPE.i32, pairs),
        [...shape],
        dtype,
      );
    }
    const id = this.#binding.createTensor([...shape], TF_TYPE[dtype], data as Float32Array | Int32Array | Uint8Array);
    return new NativeTensor(this.#binding, id, [...shape], dtype);
  }

  read(tensor: TfTensor): TfReadData {
    const { id, dtype, shape } = nativeTensor(tensor);
    if (dtype === 'bf16')
      throw new LlmkitError('bug', 'a bf16 tensor cannot be read', { hint: 'Cast it to f32 inside the graph' });
    if (dtype !== 'u8') return this.#binding.tensorDataSync(id) as TfReadData;
    // The addon cannot read bytes: cast to int32 and narrow here.
    const type = this.#binding.TF_ATTR_TYPE;
    const attrs = [
      { name: 'SrcT', type, value: TF_TYPE.u8 },
      { name: 'DstT', type, value: TF_TYPE.i32 },
    ];
    const [wide] = this.#binding.executeOp('Cast', attrs, [id], 1);
    const values = this.#binding.tensorDataSync(wide!.id) as Int32Array;
    this.#binding.deleteTensor(wide!.id);
    return Uint8Array.from(values.subarray(0, sizeOf(shape)));
  }

  numTensors(): number {
    return this.#binding.getNumOfTensors();
  }

  dispose(): void {
    for (const program of this.#programs) program.dispose();
  }

  /** Runs 1 + 2^-10, which bf16 rounds to 1, through a product. */
  #roundsToBf16(): boolean {
    const size = ROUNDING_SIZE ** 2;
    const identity = Float32Array.from({ length: size }, (_, i) => (i % (ROUNDING_SIZE + 1) === 0 ? 1 : 0));
    const program = this.load(roundingGraph);
    const shape = [ROUNDING_SIZE, ROUNDING_SIZE];
    const feeds = {
      x: this.tensor(new Float32Array(size).fill(1 + 2 ** -10), shape, 'f32'),
      identity: this.tensor(identity, shape, 'f32'),
    };
    const { y } = program.run(feeds);
    const rounded = (this.read(y!)[0] ?? 0) === 1;
    for (const tensor of [feeds.x, feeds.identity, y!]) tensor.dispose();
    program.dispose();
    return rounded;
  }
}

/** x [n, n] times the identity, large enough that oneDNN takes its bf16 kernels where it has them. */
const ROUNDING_SIZE = 128;
const roundingGraph: TfGraph = {
  nodes: [
    ...['x', 'identity'].map((name) => ({
      name,
      op: 'Placeholder',
      inputs: [],
      attrs: { dtype: { type: 'f32' as const }, shape: { shape: [ROUNDING_SIZE, ROUNDING_SIZE] } },
    })),
    {
      name: 'y',
      op: 'BatchMatMulV2',
      inputs: ['x', 'identity'],
      attrs: { T: { type: 'f32' }, adj_x: { b: false }, adj_y: { b: false } },
    },
  ],
  inputs: ['x', 'identity'].map((name) => ({ name, dtype: 'f32', shape: [ROUNDING_SIZE, ROUNDING_SIZE] })),
  outputs: [{ name: 'y', ref: 'y', dtype: 'f32', shape: [ROUNDING_SIZE, ROUNDING_SIZE] }],
};

function nativeTensor(tensor: TfTensor): NativeTensor {
  if (tensor instanceof NativeTensor) return tensor;
  throw new LlmkitError('bug', 'a tensor of another engine is given to the native engine');
}

function runSession(binding: TfBinding, session: number, ids: number[], inputs: string, outputs: string) {
  try {
    return binding.runSavedModel(session, ids, inputs, outputs);
  } catch (cause) {
    const got = cause instanceof Error ? cause.message : String(cause);
    if (/OOM|Resource exhausted|bad_alloc/i.test(got)) {
      throw new LlmkitError('environment', 'TensorFlow ran out of memory', {
        got,
        hint: 'lower the batch size or max_length, or set memory: layer',
        cause,
      });
    }
    throw new LlmkitError('bug', 'TensorFlow failed while running a graph', { got, cause });
  }
}
