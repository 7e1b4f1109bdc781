import koffi from 'koffi';
import { LlmkitError, type ErrorKind } from '../../core/errors.ts';
import { findOrtLibrary } from './library.ts';

/** An `Ort*` pointer. Zero is null. */
export type Handle = bigint;
type Argument = Handle | number | string | string[] | ArrayBufferView | null;
type Native = (...args: Argument[]) => unknown;

/** The version of the function table asked for; ONNX Runtime 1.18 and newer serve it. */
const API_VERSION = 18;
const PATH = process.platform === 'win32' ? 'const char16_t *' : 'const char *';
const P = 'void *';
const TEXT = 'const char *';

/**
 * Positions in `struct OrtApi` (onnxruntime_c_api.h) with the argument types. Positions never change: new functions are
 * appended. All of these return an `OrtStatus *`, null on success.
 */
const CALLS = {
  CreateEnv: [3, 'int', TEXT, P],
  CreateSession: [7, P, PATH, P, P],
  CreateSessionFromArray: [8, P, P, 'size_t', P, P],
  Run: [9, P, P, 'const char **', P, 'size_t', 'const char **', 'size_t', P],
  CreateSessionOptions: [10, P],
  SetOptimizedModelFilePath: [11, P, PATH],
  SetSessionGraphOptimizationLevel: [23, P, 'int'],
  SetIntraOpNumThreads: [24, P, 'int'],
  SetInterOpNumThreads: [25, P, 'int'],
  SessionGetInputCount: [30, P, P],
  SessionGetOutputCount: [31, P, P],
  SessionGetInputTypeInfo: [33, P, 'size_t', P],
  SessionGetOutputTypeInfo: [34, P, 'size_t', P],
  SessionGetInputName: [36, P, 'size_t', P, P],
  SessionGetOutputName: [37, P, 'size_t', P, P],
  CreateTensorWithDataAsOrtValue: [49, P, P, 'size_t', P, 'size_t', 'int', P],
  GetTensorMutableData: [51, P, P],
  CastTypeInfoToTensorInfo: [55, P, P],
  GetTensorElementType: [60, P, P],
  GetDimensionsCount: [61, P, P],
  GetDimensions: [62, P, P, 'size_t'],
  GetSymbolicDimensions: [63, P, P, 'size_t'],
  GetTensorTypeAndShape: [65, P, P],
  CreateCpuMemoryInfo: [69, 'int', 'int', P],
  AllocatorFree: [76, P, P],
  GetAllocatorWithDefaultOptions: [78, P],
  AddSessionConfigEntry: [130, P, TEXT, TEXT],
  RunWithBinding: [133, P, P, P],
  CreateIoBinding: [134, P, P],
  BindInput: [136, P, TEXT, P],
  BindOutput: [137, P, TEXT, P],
} as const satisfies Record<string, readonly [number, ...string[]]>;

const RELEASES = {
  Env: 92,
  Status: 93,
  MemoryInfo: 94,
  Session: 95,
  Value: 96,
  TypeInfo: 98,
  TensorTypeAndShapeInfo: 99,
  SessionOptions: 100,
  IoBinding: 135,
} as const;
const GET_ERROR_CODE = 1;
const GET_ERROR_MESSAGE = 2;
const SLOTS = 140;

export type CallName = keyof typeof CALLS;
export type ReleaseName = keyof typeof RELEASES;

/** The C API of one libonnxruntime, opened once per thread. */
export interface OrtApi {
  /** e.g. `1.30.0`. */
  readonly version: string;
  readonly libraryPath: string;
  /** Held: koffi unloads a library when its object is collected, and functions read from a table do not keep it. */
  readonly library: ReturnType<typeof koffi.load>;
  readonly env: Handle;
  readonly cpuMemory: Handle;
  readonly allocator: Handle;
  /** Calls a function that returns a status. @throws LlmkitError with ONNX Runtime's message. */
  call(name: CallName, ...args: Argument[]): void;
  /** The same for a function whose last argument is an out-pointer: returns what it wrote there. */
  get(name: CallName, ...args: Argument[]): Handle;
  /** The same where what it wrote is an `enum` (32 bits). */
  getInt(name: CallName, ...args: Argument[]): number;
  release(name: ReleaseName, handle: Handle): void;
  /** Sessions still open: released at exit, before the library's own destructors run. */
  readonly openSessions: Set<{ dispose(): void }>;
}

let opened: OrtApi | undefined;

/** Opens the library on first use. @throws LlmkitError('environment') when it is absent or does not load. */
export function ortApi(): OrtApi {
  opened ??= openApi(findOrtLibrary());
  return opened;
}

function openApi(libraryPath: string): OrtApi {
  let library: ReturnType<typeof koffi.load>;
  try {
    library = koffi.load(libraryPath);
  } catch (cause) {
    throw new LlmkitError('environment', `cannot load ONNX Runtime: ${(cause as Error).message}`, {
      where: libraryPath,
      hint: 'llmkit doctor; on Linux the library needs glibc 2.28 or newer and libstdc++',
      cause,
    });
  }
  const base = library.func('OrtGetApiBase', P, [])() as Handle;
  const [getApi, getVersion] = pointers(base, 2) as [Handle, Handle];
  const version = (koffi.decode(getVersion, koffi.proto(TEXT, [])) as () => string)();
  const table = (koffi.decode(getApi, koffi.proto(P, ['uint32_t'])) as (v: number) => Handle | null)(API_VERSION);
  if (table === null) {
    throw new LlmkitError('environment', `ONNX Runtime ${version} is too old`, {
      where: libraryPath,
      expected: `1.${API_VERSION} or newer`,
      hint: 'npm install onnxruntime-node at the version of package.json',
    });
  }
  return bindApi({ version, libraryPath, library }, pointers(table, SLOTS));
}

function bindApi(loaded: Pick<OrtApi, 'version' | 'libraryPath' | 'library'>, slots: Handle[]): OrtApi {
  const bind = (slot: number, result: string, args: readonly string[]) =>
    koffi.decode(slots[slot], koffi.proto(result, [...args])) as Native;
  const errorCode = bind(GET_ERROR_CODE, 'int', [P]);
  const errorMessage = bind(GET_ERROR_MESSAGE, TEXT, [P]);
  const calls = mapValues(CALLS, ([slot, ...args]) => bind(slot, P, args));
  const releases = mapValues(RELEASES, (slot) => bind(slot, 'void', [P]));
  const out = new BigUint64Array(1);

  const call = (name: CallName, ...args: Argument[]): void => {
    const status = calls[name](...args) as Handle | null;
    if (status === null) return;
    const error = statusError(name, errorCode(status) as number, errorMessage(status) as string);
    releases.Status(status);
    throw error;
  };
  const get = (name: CallName, ...args: Argument[]): Handle => {
    out[0] = 0n;
    call(name, ...args, out);
    return out[0];
  };
  const FATAL = 4; // errors come back as a status; nothing of ours prints
  const ARENA_ALLOCATOR = 1;
  const DEFAULT_MEMORY = 0;
  const api: OrtApi = {
    ...loaded,
    env: get('CreateEnv', FATAL, 'llmkit'),
    cpuMemory: get('CreateCpuMemoryInfo', ARENA_ALLOCATOR, DEFAULT_MEMORY),
    allocator: get('GetAllocatorWithDefaultOptions'),
    call,
    get,
    getInt: (name, ...args) => Number(BigInt.asIntN(32, get(name, ...args))),
    release: (name, handle) => {
      releases[name](handle);
    },
    openSessions: new Set(),
  };
  process.once('exit', () => {
    for (const session of api.openSessions) session.dispose();
    api.release('MemoryInfo', api.cpuMemory);
    api.release('Env', api.env);
  });
  return api;
}

/** `count` pointers read from `address`. */
export function pointers(address: Handle, count: number): Handle[] {
  return Array.from(koffi.decode(address, 'uint64_t', count) as BigUint64Array);
}

/** A NUL-terminated UTF-8 string at `address`; empty for null. */
export function text(address: Handle): string {
  return address === 0n ? '' : koffi.decode.string(address);
}

/** A copy of the `byteLength` bytes at `address`. */
export function copyBytes(address: Handle, byteLength: number): ArrayBuffer {
  return koffi.view(address, byteLength).slice(0);
}

/** ONNX Runtime's codes by the kind of error they are to a user. */
const KINDS: Record<number, [string, ErrorKind]> = {
  1: ['fail', 'data'],
  2: ['invalid argument', 'data'],
  3: ['no such file', 'data'],
  4: ['no model', 'data'],
  5: ['engine error', 'environment'],
  6: ['runtime exception', 'environment'],
  7: ['invalid protobuf', 'data'],
  9: ['not implemented', 'environment'],
  10: ['invalid graph', 'data'],
  11: ['execution provider failed', 'environment'],
};

/** An OrtStatus as an error: data for a model that is wrong, environment for what this machine or build cannot do. */
export function statusError(call: string, code: number, message: string): LlmkitError {
  const [label, kind] = KINDS[code] ?? [`code ${code}`, 'environment' as const];
  return new LlmkitError(kind, `ONNX Runtime ${call}: ${label}: ${message.trim()}`);
}

/** The same error with the model's path, where it has no place yet. */
export function located(error: unknown, where: string): unknown {
  if (!(error instanceof LlmkitError) || error.where !== undefined) return error;
  return new LlmkitError(error.kind, error.message, { where, cause: error });
}

function mapValues<K extends string, A, B>(record: Record<K, A>, map: (value: A) => B): Record<K, B> {
  return Object.fromEntries(Object.entries<A>(record).map(([key, value]) => [key, map(value)])) as Record<K, B>;
}
