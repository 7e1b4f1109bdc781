import type * as Core from '@tensorflow/tfjs-core';

/** The parts of tfjs's wasm backend that a kernel written outside of it needs. */
interface WasmBackend {
  wasm: {
    cwrap(name: string, returns: null, parameters: string[]): (...values: unknown[]) => void;
    tfjs: {
      registerTensor(id: number, size: number, memoryOffset: number): void;
      disposeData(id: number): void;
    };
  };
  dataIdMap: { get(dataId: object): { id: number; memoryOffset: number } };
  dataIdNextNumber: number;
  makeOutput(shape: number[], dtype: string): Core.TensorInfo;
}

const KERNEL = 'BatchMatMul';
const BYTES = Float32Array.BYTES_PER_ELEMENT;

let replaced: Core.KernelConfig | undefined;

/**
 * Replaces the wasm kernel of batched matrix products. tfjs hands only a single, untransposed product to XNNPACK; batches
 * go through a scalar loop, about thirty times slower (docs/engine-ops.md). Here each product of a batch is handed to it
 * alone, as a view into the memory of the whole. Transposed operands and mixed batches keep tfjs's kernel.
 */
export function registerWasmMatMul(core: typeof Core): void {
  const original = core.getKernel(KERNEL, 'wasm');
  if (original === replaced) return;
  const multiply = (core.backend() as unknown as WasmBackend).wasm.cwrap(KERNEL, null, [
    'number',
    'array',
    'number',
    'number',
    'array',
    'number',
    'number',
    'number',
    'number',
  ]);
  core.unregisterKernel(KERNEL, 'wasm');
  replaced = {
    ...original,
    kernelFunc: (call) => {
      const { a, b } = call.inputs as { a: Core.TensorInfo; b: Core.TensorInfo };
      const batch = a.shape.slice(0, -2);
      const same = batch.length > 0 && batch.join() === b.shape.slice(0, -2).join();
      const count = batch.reduce((product, size) => product * size, 1);
      const attrs = call.attrs as { transposeA?: boolean; transposeB?: boolean };
      const [m, k] = a.shape.slice(-2) as [number, number];
      const [inner, n] = b.shape.slice(-2) as [number, number];
      const plain = attrs.transposeA !== true && attrs.transposeB !== true && k === inner;
      const floats = a.dtype === 'float32' && b.dtype === 'float32';
      if (!same || count < 2 || !plain || !floats || m * n * k === 0) return original.kernelFunc(call);

      const backend = call.backend as WasmBackend;
      const out = backend.makeOutput([...batch, m, n], 'float32');
      const views = [new View(backend, a, m * k), new View(backend, b, k * n), new View(backend, out, m * n)] as const;
      const [shapeA, shapeB] = [shapeBytes([1, m, k]), shapeBytes([1, k, n])];
      for (let i = 0; i < count; i++) {
        const [idA, idB, idOut] = views.map((view) => view.open(i));
        multiply(idA, shapeA, 3, idB, shapeB, 3, 0, 0, idOut);
        // XNNPACK keeps packed weights for as long as their tensor is known.
        for (const view of views) view.close();
      }
      return out;
    },
  };
  core.registerKernel(replaced);
}

/** One matrix after another of a tensor, each known to the backend as a tensor of its own while it is open. */
class View {
  readonly #backend: WasmBackend;
  readonly #offset: number;
  readonly #size: number;
  #id = 0;

  constructor(backend: WasmBackend, of: Core.TensorInfo, size: number) {
    this.#backend = backend;
    this.#offset = backend.dataIdMap.get(of.dataId).memoryOffset;
    this.#size = size;
  }

  open(index: number): number {
    this.#id = this.#backend.dataIdNextNumber++;
    this.#backend.wasm.tfjs.registerTensor(this.#id, this.#size, this.#offset + index * this.#size * BYTES);
    return this.#id;
  }

  close(): void {
    this.#backend.wasm.tfjs.disposeData(this.#id);
  }
}

function shapeBytes(shape: number[]): Uint8Array {
  return new Uint8Array(new Int32Array(shape).buffer);
}
