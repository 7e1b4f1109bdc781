import { existsSync } from 'node:fs';
import { LlmkitError } from '../../core/errors.ts';
import { type Handle, located, type OrtApi, ortApi, text } from './api.ts';
import { IoBinding, type OrtBinding } from './binding.ts';
import { dtypeOfCode, type OrtDType, OrtTensor, type OrtValue, readDims, takeValue } from './value.ts';

/** An input or output of a model. Symbolic dimensions are their names, `?` when they have none. */
export interface OrtPort {
  name: string;
  dtype: OrtDType;
  dims: (number | string)[];
}

export interface OrtSession {
  readonly inputs: string[];
  readonly outputs: string[];
  readonly inputPorts: readonly OrtPort[];
  readonly outputPorts: readonly OrtPort[];
  /** Fixed buffers for many runs: nothing is copied, one native call a run. */
  binding(): OrtBinding;
  /** One run; outputs are new tensors with their own memory. */
  run(feeds: Record<string, OrtValue>, outputs: string[]): Record<string, OrtValue>;
  dispose(): void;
}

export interface SessionOptions {
  /** Threads inside an op; ONNX Runtime's own choice (physical cores) when absent. */
  threads?: number;
  /** Use the weights from the mapped file, shared with other processes, instead of repacking them in private memory. */
  mapped?: boolean;
  /** Exact u8 x s8 products on x64 CPUs without VNNI, whose fast path can overflow. */
  x64QuantPrecision?: boolean;
  /** 0 none, 1 basic, 2 extended, 99 all (the default). */
  optimization?: 0 | 1 | 2 | 99;
  /** Session config entries, e.g. `{'session.intra_op.allow_spinning': '0'}`. */
  config?: Record<string, string>;
  /** Write the optimized graph there. */
  optimizedModelPath?: string;
}

/**
 * Opens a model, by path so that external weights beside it are found and mapped, or from the bytes of a small one.
 *
 * @throws LlmkitError('data') for a missing or invalid model, 'environment' for an op this build lacks.
 */
export function createSession(model: string | Uint8Array, options: SessionOptions = {}): OrtSession {
  const api = ortApi();
  const where = typeof model === 'string' ? model : 'a model in memory';
  if (typeof model === 'string' && !existsSync(model)) throw new LlmkitError('data', 'no such model file', { where });
  const sessionOptions = api.get('CreateSessionOptions');
  try {
    applyOptions(api, sessionOptions, options);
    const handle =
      typeof model === 'string'
        ? api.get('CreateSession', api.env, model, sessionOptions)
        : api.get('CreateSessionFromArray', api.env, model, model.byteLength, sessionOptions);
    return new Session(api, handle, where);
  } catch (error) {
    throw located(error, where);
  } finally {
    api.release('SessionOptions', sessionOptions);
  }
}

function applyOptions(api: OrtApi, handle: Handle, options: SessionOptions): void {
  api.call('SetSessionGraphOptimizationLevel', handle, options.optimization ?? 99);
  if (options.threads !== undefined) api.call('SetIntraOpNumThreads', handle, options.threads);
  api.call('SetInterOpNumThreads', handle, 1);
  const config: Record<string, string> = { ...options.config };
  if (options.mapped === true) config['session.disable_prepacking'] = '1';
  if (options.x64QuantPrecision === true) config['session.x64quantprecision'] = '1';
  for (const [key, value] of Object.entries(config)) api.call('AddSessionConfigEntry', handle, key, value);
  if (options.optimizedModelPath !== undefined) {
    api.call('SetOptimizedModelFilePath', handle, options.optimizedModelPath);
  }
}

class Session implements OrtSession {
  readonly inputPorts: readonly OrtPort[];
  readonly outputPorts: readonly OrtPort[];
  readonly inputs: string[];
  readonly outputs: string[];
  readonly #api: OrtApi;
  readonly #where: string;
  readonly #bindings = new Set<OrtBinding>();
  #handle: Handle | undefined;

  constructor(api: OrtApi, handle: Handle, where: string) {
    this.#api = api;
    this.#handle = handle;
    this.#where = where;
    api.openSessions.add(this);
    this.inputPorts = readPorts(api, handle, 'Input');
    this.outputPorts = readPorts(api, handle, 'Output');
    this.inputs = this.inputPorts.map((port) => port.name);
    this.outputs = this.outputPorts.map((port) => port.name);
  }

  binding(): OrtBinding {
    const binding = new IoBinding(this.#api, this.#open(), this.#where, (self) => this.#bindings.delete(self));
    this.#bindings.add(binding);
    return binding;
  }

  run(feeds: Record<string, OrtValue>, outputs: string[]): Record<string, OrtValue> {
    const api = this.#api;
    const session = this.#open();
    const names = Object.keys(feeds);
    const values = BigUint64Array.from(names, (name) => (feeds[name] as OrtTensor).handle(api));
    const results = new BigUint64Array(outputs.length);
    try {
      api.call('Run', session, null, names, values, names.length, outputs, outputs.length, results);
      return Object.fromEntries(outputs.map((name, i) => [name, takeValue(api, results[i] ?? 0n, name)]));
    } catch (error) {
      throw located(error, this.#where);
    } finally {
      for (const handle of results) if (handle !== 0n) api.release('Value', handle);
    }
  }

  dispose(): void {
    if (this.#handle === undefined) return;
    for (const binding of this.#bindings) binding.dispose();
    this.#api.openSessions.delete(this);
    this.#api.release('Session', this.#handle);
    this.#handle = undefined;
  }

  #open(): Handle {
    if (this.#handle === undefined) throw new LlmkitError('bug', 'the session was disposed', { where: this.#where });
    return this.#handle;
  }
}

function readPorts(api: OrtApi, session: Handle, side: 'Input' | 'Output'): OrtPort[] {
  const count = Number(api.get(`SessionGet${side}Count`, session));
  return Array.from({ length: count }, (_, i) => {
    const address = api.get(`SessionGet${side}Name`, session, i, api.allocator);
    const name = text(address);
    api.call('AllocatorFree', api.allocator, address);
    const typeInfo = api.get(`SessionGet${side}TypeInfo`, session, i);
    try {
      const info = api.get('CastTypeInfoToTensorInfo', typeInfo); // belongs to typeInfo
      const dims = readDims(api, info);
      const symbols = new BigUint64Array(dims.length);
      if (dims.length > 0) api.call('GetSymbolicDimensions', info, symbols, dims.length);
      const dtype = dtypeOfCode(api.getInt('GetTensorElementType', info), name);
      return { name, dtype, dims: dims.map((dim, d) => (dim >= 0 ? dim : text(symbols[d] ?? 0n) || '?')) };
    } finally {
      api.release('TypeInfo', typeInfo);
    }
  });
}
