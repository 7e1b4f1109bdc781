import { createRequire } from 'node:module';
import { LlmkitError } from '../../core/errors.ts';

/** A tensor as the addon hands it out. */
export interface TensorInfo {
  id: number;
  shape: number[];
  /** TensorFlow's DataType. */
  dtype: number;
}

/**
 * The interface of tfjs-node-gpu's addon (`binding/tfjs_binding.cc`), the part llmkit uses.
 * Every function is synchronous; ids belong to the thread that loaded the addon.
 */
export interface TfBinding {
  readonly TF_Version: string;
  /** Aliases `data` when its address is a multiple of 64, else copies it. Keeps it alive as long as the tensor. */
  createTensor(shape: number[], dtype: number, data: Float32Array | Int32Array | Uint8Array): number;
  deleteTensor(id: number): void;
  /** Copies out FLOAT, INT32, INT64 and BOOL; throws on other types. */
  tensorDataSync(id: number): Float32Array | Int32Array | Uint8Array | BigInt64Array;
  executeOp(op: string, attrs: OpAttr[], inputs: number[], numOutputs: number): TensorInfo[];
  /** `tags` and the names below are comma-separated. */
  loadSavedModel(directory: string, tags: string): number;
  deleteSavedModel(id: number): void;
  runSavedModel(id: number, inputs: number[], inputNames: string, outputNames: string): TensorInfo[];
  getNumOfTensors(): number;
  getNumOfSavedModels(): number;
  isUsingGpuDevice(): boolean;
  readonly TF_ATTR_TYPE: number;
}

/** An attribute of an eagerly executed op; `type` is one of the addon's `TF_ATTR_*`. */
export interface OpAttr {
  name: string;
  type: number;
  value: number | boolean | string | number[];
}

const require = createRequire(import.meta.url);

/**
 * Loads the addon into this thread, and with it libtensorflow into the process.
 * The environment that TensorFlow reads must be set before (see `nativeEnvironment`). Throws `environment` if it does not load.
 */
export function loadBinding(addonPath: string): TfBinding {
  try {
    return require(addonPath) as TfBinding;
  } catch (cause) {
    throw new LlmkitError('environment', 'the native TensorFlow engine does not load', {
      where: addonPath,
      got: cause instanceof Error ? cause.message : String(cause),
      hint: 'llmkit setup --force',
      cause,
    });
  }
}
