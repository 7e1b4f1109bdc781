import { LlmkitError } from '../core/errors.ts';
import { withAtomicFile, writeAll } from './atomic.ts';
import { DTYPE_BYTES, type SafetensorsDType } from './safetensors-header.ts';

export interface TensorToWrite {
  name: string;
  dtype: SafetensorsDType;
  shape: readonly number[];
  /** Little-endian bytes, or a function that makes them when their turn comes, so that only one is in memory. */
  data: Uint8Array | (() => Uint8Array);
}

/**
 * Writes a safetensors file tensor by tensor, beside its name and then renamed. As the reference writer does, tensors
 * are laid out by element size (largest first, so each is aligned to its size), then by name: same tensors, same bytes.
 *
 * @param metadata strings for `__metadata__`; `format: "pt"` unless it says otherwise.
 * @throws LlmkitError('bug') for a duplicate name or bytes that do not fit the shape; ('io') when the disk is full.
 */
export function writeSafetensors(
  path: string,
  tensors: Iterable<TensorToWrite>,
  metadata: Record<string, string> = {},
): void {
  const ordered = [...tensors].sort(
    (a, b) => DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype] || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  );
  const entries: [string, unknown][] = [['__metadata__', sortKeys({ format: 'pt', ...metadata })]];
  const seen = new Set(['__metadata__']);
  let offset = 0;
  for (const { name, dtype, shape } of ordered) {
    if (seen.has(name)) throw new LlmkitError('bug', `tensor ${name} is written twice`, { where: path });
    seen.add(name);
    const end = offset + tensorBytes(dtype, shape);
    entries.push([name, { dtype, shape, data_offsets: [offset, end] }]);
    offset = end;
  }
  const json = Buffer.from(
    `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`,
  );
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ');
  header.writeBigUInt64LE(BigInt(header.length - 8));
  json.copy(header, 8);
  withAtomicFile(path, (fd) => {
    writeAll(fd, header);
    for (const { name, dtype, shape, data } of ordered) {
      const bytes = typeof data === 'function' ? data() : data;
      if (bytes.byteLength !== tensorBytes(dtype, shape)) {
        throw new LlmkitError('bug', `the bytes of ${name} do not fit its shape`, {
          where: path,
          expected: `${tensorBytes(dtype, shape)} bytes (${dtype} [${shape.join(', ')}])`,
          got: `${bytes.byteLength} bytes`,
        });
      }
      writeAll(fd, bytes);
    }
  });
}

function tensorBytes(dtype: SafetensorsDType, shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, DTYPE_BYTES[dtype]);
}

function sortKeys(record: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
