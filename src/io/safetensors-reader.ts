import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { LlmkitError } from '../core/errors.ts';
import { bf16ToF32, f16ToF32 } from '../core/half.ts';
import { alignedBuffer, ioError } from './atomic.ts';
import { DTYPE_BYTES, type HeaderEntry, parseHeader, type TensorInfo } from './safetensors-header.ts';

/** Named tensors on disk: one file, or the shards of an index (`openWeights`). Nothing is read until asked for. */
export interface WeightSource {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** `__metadata__` of the file; of the index for shards. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The raw little-endian bytes, in a fresh buffer of aligned address (see `alignedBuffer`). Throws `data` when absent. */
  read(name: string): Uint8Array;
  /** The values as float32, converted from F16, BF16 or F64 where needed. Throws `data` for integer tensors. */
  readF32(name: string): Float32Array;
  close(): void;
}

export interface SafetensorsFile extends WeightSource {
  readonly path: string;
}

/**
 * Opens a safetensors file and checks all of its header: length, JSON, names, dtypes, shapes, and that the tensors
 * cover the rest of the file exactly once. Reads are positioned; the file is never loaded whole.
 * Format: https://github.com/huggingface/safetensors#format
 *
 * @throws LlmkitError('data') naming the file and the tensor; ('io') when the file cannot be read.
 */
export function openSafetensors(path: string): SafetensorsFile {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw ioError(error, `cannot open ${path}`, path);
  }
  try {
    const { entries, metadata } = parseHeader(path, fstatSync(fd).size, (position, length) =>
      readExactly(fd, path, position, new Uint8Array(length)),
    );
    return new OpenFile(path, fd, entries, metadata);
  } catch (error) {
    closeSync(fd);
    throw ioError(error, `cannot read ${path}`, path);
  }
}

class OpenFile implements SafetensorsFile {
  #fd: number | undefined;

  constructor(
    readonly path: string,
    fd: number,
    readonly tensors: ReadonlyMap<string, HeaderEntry>,
    readonly metadata: Record<string, string>,
  ) {
    this.#fd = fd;
  }

  read(name: string): Uint8Array {
    return this.#readInto(name, alignedBuffer(this.#entry(name).byteLength));
  }

  readF32(name: string): Float32Array {
    const { dtype, byteLength } = this.#entry(name);
    if (dtype !== 'F32' && dtype !== 'F16' && dtype !== 'BF16' && dtype !== 'F64') {
      throw new LlmkitError('data', `${name} holds ${dtype}, not floating-point numbers`, {
        where: `${this.path} ${name}`,
        expected: 'F32, BF16, F16 or F64',
        got: dtype,
        hint: 'give the unquantized checkpoint here',
      });
    }
    const count = byteLength / DTYPE_BYTES[dtype];
    const target = alignedBuffer(count * 4);
    const out = new Float32Array(target.buffer, target.byteOffset, count);
    if (dtype === 'F32') {
      this.#readInto(name, target);
      return out;
    }
    const raw = this.#readInto(name, new Uint8Array(byteLength));
    if (dtype === 'F64') out.set(new Float64Array(raw.buffer));
    else if (dtype === 'BF16') bf16ToF32(new Uint16Array(raw.buffer), out);
    else f16ToF32(new Uint16Array(raw.buffer), out);
    return out;
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #entry(name: string): HeaderEntry {
    const entry = this.tensors.get(name);
    if (entry === undefined) throw missingTensor(name, this.path, this.tensors);
    return entry;
  }

  #readInto<T extends Uint8Array>(name: string, out: T): T {
    if (this.#fd === undefined) throw new LlmkitError('bug', `${this.path} was closed before ${name} was read`);
    try {
      return readExactly(this.#fd, this.path, this.#entry(name).position, out);
    } catch (error) {
      throw ioError(error, `cannot read ${name} from ${this.path}`, this.path);
    }
  }
}

export function missingTensor(name: string, where: string, tensors: ReadonlyMap<string, unknown>): LlmkitError {
  const tail = name.split('.').slice(-2).join('.');
  const near = [...tensors.keys()].filter((other) => other.endsWith(tail)).slice(0, 3);
  return new LlmkitError('data', `no tensor named ${name}`, {
    where,
    ...(near.length > 0 ? { hint: `similar names: ${near.join(', ')}` } : { hint: `it holds ${tensors.size} tensors` }),
  });
}

function readExactly<T extends Uint8Array>(fd: number, path: string, position: number, out: T): T {
  let done = 0;
  while (done < out.byteLength) {
    const read = readSync(fd, out, done, Math.min(out.byteLength - done, 2 ** 30), position + done);
    if (read === 0) {
      throw new LlmkitError('data', `${path} ended early: it was cut while being read`, {
        where: path,
        expected: `${position + out.byteLength} bytes`,
        got: `${position + done} bytes`,
      });
    }
    done += read;
  }
  return out;
}
