import { randomUUID } from 'node:crypto';
import { closeSync, createReadStream, mkdirSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { Decompress } from 'fzstd';
import { LlmkitError } from '../core/errors.ts';
import { ioError, writeAll } from './atomic.ts';
import { readBytes, readChunks } from './bytes.ts';
import type { Chunks } from './records.ts';

export type Packing = 'none' | 'gz' | 'zst';

/** How a file is packed, by its first bytes; its name may say otherwise. */
export function packingOf(path: string): Packing {
  const head = readBytes(path, 0, 4);
  if (head.length >= 2 && head[0] === 0x1f && head[1] === 0x8b) return 'gz';
  if (head.length === 4 && head.readUInt32LE(0) === 0xfd2fb528) return 'zst';
  return 'none';
}

/**
 * The bytes of a file, unpacked: at once, but for gzip, which Node unpacks on another thread.
 *
 * @throws LlmkitError('data') with the place in the packed file where it is cut off or damaged; ('io').
 */
export function unpackedChunks(path: string, packing: Packing, name: string = path): Chunks {
  if (packing === 'none') return readChunks(path);
  return packing === 'gz' ? gunzip(path, name) : unzstd(path, name);
}

/** Up to about `bytes` from the beginning of a file, unpacked. */
export async function peek(path: string, packing: Packing, bytes: number, name: string = path): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let have = 0;
  for await (const chunk of unpackedChunks(path, packing, name)) {
    pieces.push(Buffer.from(chunk));
    have += chunk.length;
    if (have >= bytes) break;
  }
  return Buffer.concat(pieces).subarray(0, bytes);
}

/**
 * Runs `use` on an unpacked copy of a file, for readers that need to seek; the copy is removed afterwards. A file that is
 * not packed is used where it is.
 *
 * @param folder where the copy is put; the system's folder for temporary files unless given.
 */
export async function* withUnpacked<T>(
  path: string,
  packing: Packing,
  name: string,
  folder: string = tmpdir(),
  use: (path: string) => AsyncIterable<T>,
): AsyncGenerator<T> {
  if (packing === 'none') {
    yield* use(path);
    return;
  }
  const copy = join(folder, `llmkit-unpacked-${randomUUID()}`);
  try {
    await writeUnpacked(path, packing, name, copy, folder);
    yield* use(copy);
  } finally {
    rmSync(copy, { force: true });
  }
}

async function writeUnpacked(path: string, packing: Packing, name: string, to: string, folder: string): Promise<void> {
  const write = <T>(action: () => T): T => {
    try {
      return action();
    } catch (error) {
      throw ioError(error, `cannot write ${to}, where ${name} is unpacked`, to);
    }
  };
  write(() => mkdirSync(folder, { recursive: true }));
  const fd = write(() => openSync(to, 'wx'));
  try {
    for await (const chunk of unpackedChunks(path, packing, name)) write(() => writeAll(fd, chunk));
  } finally {
    closeSync(fd);
  }
}

const GUNZIP_CHUNK_BYTES = 256 * 1024;

async function* gunzip(path: string, name: string): AsyncGenerator<Buffer> {
  const unpacker = createGunzip({ chunkSize: GUNZIP_CHUNK_BYTES });
  // Its errors come out of the iteration below, the file's own with them.
  pipeline(createReadStream(path), unpacker, () => undefined);
  try {
    for await (const chunk of unpacker) yield chunk as Buffer;
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (typeof code !== 'string' || !code.startsWith('Z_')) throw ioError(error, `cannot read ${path}`, path);
    throw damaged(name, 'gzip', unpacker.bytesWritten, code === 'Z_BUF_ERROR', error);
  }
}

const MOST_PIECE_BYTES = 2 ** 16;
const LEAST_PIECE_BYTES = 64;
/** What one piece should unpack to at most; runs of one byte can unpack to thirty thousand times their size. */
const MOST_UNPACKED_BYTES = 4 * 2 ** 20;

function* unzstd(path: string, name: string): Generator<Buffer> {
  let unpacked: Buffer[] = [];
  const unpacker = new Decompress((bytes) => unpacked.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)));
  let position = 0;
  const push = (bytes: Uint8Array, last: boolean) => {
    try {
      unpacker.push(bytes, last);
    } catch (error) {
      throw damaged(name, 'zstd', position, last, error);
    }
  };
  let pieceBytes = LEAST_PIECE_BYTES;
  for (const chunk of readChunks(path)) {
    let at = 0;
    while (at < chunk.length) {
      // A copy: what the piece ends with may be needed later.
      const piece = Uint8Array.from(chunk.subarray(at, at + pieceBytes));
      push(piece, false);
      at += piece.length;
      position += piece.length;
      const bytes = unpacked.reduce((sum, { length }) => sum + length, 0);
      yield* unpacked;
      unpacked = [];
      if (bytes > MOST_UNPACKED_BYTES) pieceBytes = Math.max(LEAST_PIECE_BYTES, pieceBytes >> 2);
      else if (bytes < MOST_UNPACKED_BYTES / 4) pieceBytes = Math.min(MOST_PIECE_BYTES, pieceBytes * 2);
    }
  }
  push(new Uint8Array(0), true);
  yield* unpacked;
}

function damaged(name: string, kind: string, position: number, cut: boolean, cause: unknown): LlmkitError {
  return new LlmkitError('data', `${name} is ${cut ? 'cut off' : 'damaged'}: it is not a whole ${kind} file`, {
    where: `${name} at byte ${position}`,
    got: cause instanceof Error ? cause.message : String(cause),
    hint: 'copy or download the file again',
    cause,
  });
}
