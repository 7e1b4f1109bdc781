import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { readdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { LlmkitError } from '../core/errors.ts';

/**
 * Writes a whole file so that a reader sees the old bytes or the new ones, never a part.
 *
 * @throws LlmkitError('io') naming the file (no space, no permission, ...); the temporary file is removed.
 */
export function writeFileAtomic(path: string, data: string | Uint8Array): void {
  const bytes = typeof data === 'string' ? Buffer.from(data, 'utf8') : data;
  withAtomicFile(path, (fd) => writeAll(fd, bytes));
}

/**
 * Like `writeFileAtomic` for bytes that come in pieces: `fill` writes to the descriptor of a temporary file beside
 * `path`, which is then synced and renamed. Missing parent folders are made.
 */
export function withAtomicFile(path: string, fill: (fd: number) => void): void {
  const temporary = temporaryBeside(path);
  try {
    mkdirSync(dirname(path), { recursive: true });
    const fd = openSync(temporary, 'wx');
    try {
      fill(fd);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    if (existsSync(temporary)) rmSync(temporary);
    throw ioError(error, `cannot write ${path}`, path);
  }
  syncDirectory(dirname(path));
}

/**
 * Runs `fill` on a new folder beside `finalDir`, then puts it in `finalDir`'s place. Until that moment the old folder is
 * untouched; if `fill` throws, the new one is removed and the error goes on. Folders left behind by a killed process are
 * cleared first, see `recoverDir`.
 *
 * @returns what `fill` returned.
 */
export async function withAtomicDir<T>(finalDir: string, fill: (temporaryDir: string) => Promise<T> | T): Promise<T> {
  const final = resolve(finalDir);
  const temporary = temporaryBeside(final);
  try {
    mkdirSync(dirname(final), { recursive: true });
    await recoverDir(final);
    mkdirSync(temporary);
    inProgress.add(basename(temporary));
  } catch (error) {
    throw ioError(error, `cannot write beside ${final}`, final);
  }
  try {
    const result = await fill(temporary);
    await syncTree(temporary);
    replaceDir(temporary, final);
    return result;
  } catch (error) {
    if (existsSync(temporary)) rmSync(temporary, { recursive: true });
    throw ioError(error, `cannot write ${final}`, final);
  } finally {
    inProgress.delete(basename(temporary));
  }
}

/** Folders this process is filling now. A container restarts with the same process id, so the id alone says nothing. */
const inProgress = new Set<string>();

/** Turns a file system error into one for a person; an LlmkitError, or an error without a code, passes unchanged. */
export function ioError(error: unknown, message: string, where: string): unknown {
  if (error instanceof LlmkitError) return error;
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) return error;
  const known: Record<string, [string, string]> = {
    ENOSPC: ['no space left on the disk', 'free some space or point output_dir at another disk; nothing was changed'],
    EDQUOT: ['the disk quota is used up', 'free some space or point output_dir at another disk; nothing was changed'],
    EACCES: ['permission denied', 'check the owner and mode of the path'],
    EPERM: ['operation not permitted', 'check the owner and mode of the path'],
    EROFS: ['the file system is read-only', 'point output_dir at a writable disk'],
    ENOENT: ['no such file or folder', 'check the path; relative paths in a config are relative to the config file'],
    EISDIR: ['it is a folder, a file was expected', 'name the file inside it'],
    ENOTDIR: ['a part of the path is a file, a folder was expected', 'check the path'],
    EMFILE: ['too many open files', 'raise the limit: ulimit -n 4096'],
  };
  const [reason, hint] = known[code] ?? [(error as Error).message, undefined];
  const details = { where, cause: error, ...(hint === undefined ? {} : { hint }) };
  return new LlmkitError('io', `${message}: ${reason}`, details);
}

/** Node refuses to write 2 GiB or more at once. */
const WRITE_BYTES = 2 ** 30;

/** writeSync until every byte is written: one call may write fewer. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  let offset = 0;
  while (offset < bytes.byteLength) {
    offset += writeSync(fd, bytes, offset, Math.min(WRITE_BYTES, bytes.byteLength - offset));
  }
}

/** Linux draws it at every start. */
const BOOT_ID = '/proc/sys/kernel/random/boot_id';
/** Where a process id means something: this machine since it was started, or a container. */
const HOST = createHash('sha256')
  .update(`${hostname()} ${existsSync(BOOT_ID) ? readFileSync(BOOT_ID, 'utf8') : ''}`)
  .digest('hex')
  .slice(0, 8);

function temporaryBeside(path: string): string {
  return join(dirname(path), `.${basename(path)}.tmp-${HOST}-${process.pid}-${randomBytes(4).toString('hex')}`);
}

/** Two renames: POSIX cannot replace a folder that is not empty. `recoverDir` mends a kill between them. */
function replaceDir(temporary: string, final: string): void {
  if (!existsSync(final)) {
    renameSync(temporary, final);
  } else {
    const old = `${temporaryBeside(final).replace('.tmp-', '.old-')}`;
    renameSync(final, old);
    try {
      renameSync(temporary, final);
    } catch (error) {
      renameSync(old, final);
      throw error;
    }
    rmSync(old, { recursive: true, force: true });
  }
  syncDirectory(dirname(final));
}

/**
 * Clears what killed processes left beside a folder; brings the old one back if the kill came between two renames. Of
 * another host (or from before a restart) nobody knows whether the process lives: what it left is judged by its age.
 */
export async function recoverDir(finalDir: string): Promise<void> {
  const final = resolve(finalDir);
  const name = basename(final);
  if (!existsSync(dirname(final))) return;
  for (const entry of await readdir(dirname(final))) {
    const match = /^\.(.+)\.(tmp|old)-([0-9a-f]{8})-(\d+)-[0-9a-f]{8}$/.exec(entry);
    if (match === null || match[1] !== name || inProgress.has(entry)) continue;
    const path = join(dirname(final), entry);
    const comesBack = match[2] === 'old' && !existsSync(final);
    const gone =
      match[3] === HOST
        ? Number(match[4]) === process.pid || !isAlive(Number(match[4]))
        : unchangedMs(path) > (comesBack ? RENAMING_MS : FILLING_MS);
    if (!gone) continue;
    if (comesBack) renameSync(path, final);
    else rmSync(path, { recursive: true, force: true });
  }
}

/** Longer than two renames take, and longer than a folder being filled goes without a new file. */
const RENAMING_MS = 60_000;
const FILLING_MS = 24 * 3600_000;

/** Time since the folder was renamed or an entry came or went; 0 when another process has cleared it just now. */
function unchangedMs(path: string): number {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats === undefined ? 0 : Date.now() - stats.ctimeMs;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function syncTree(dir: string): Promise<void> {
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) await syncTree(path);
    else if (entry.isFile()) {
      // Windows flushes only what is open for writing.
      const fd = openSync(path, process.platform === 'win32' ? 'r+' : 'r');
      try {
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
    }
  }
  syncDirectory(dir);
}

function syncDirectory(dir: string): void {
  if (process.platform === 'win32') return; // a folder cannot be opened for fsync there
  const fd = openSync(dir, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

const ALIGNMENT = 64;
/** glibc maps every request above 32 MB (its largest mmap threshold) and puts the data 16 bytes into the page. */
const SLAB_BYTES = 33 * 2 ** 20;
const FIRST_ALIGNED = 48;
const OWN_BUFFER_BYTES = SLAB_BYTES / 2;
let slab: ArrayBuffer | undefined;
let slabUsed = 0;

/**
 * A zeroed Uint8Array of `byteLength` whose memory address is a multiple of 64 on Linux, so that TensorFlow can take it
 * without a copy. JavaScript cannot ask for an address, but byte 48 of a buffer that malloc maps has a known one; small
 * requests share such a buffer (pages never touched cost no memory). Its `byteOffset` is a multiple of 8: typed arrays
 * are made with `new Float32Array(bytes.buffer, bytes.byteOffset, n)`. Never transfer or detach `bytes.buffer`.
 */
export function alignedBuffer(byteLength: number): Uint8Array {
  if (byteLength > OWN_BUFFER_BYTES) {
    const buffer = new ArrayBuffer(Math.max(SLAB_BYTES, byteLength + FIRST_ALIGNED));
    return new Uint8Array(buffer, FIRST_ALIGNED, byteLength);
  }
  if (slab === undefined || slabUsed + byteLength > SLAB_BYTES) {
    slab = new ArrayBuffer(SLAB_BYTES);
    slabUsed = FIRST_ALIGNED;
  }
  const view = new Uint8Array(slab, slabUsed, byteLength);
  slabUsed += Math.ceil(byteLength / ALIGNMENT) * ALIGNMENT;
  return view;
}
