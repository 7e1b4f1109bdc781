import { randomBytes } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type CpuFeatures, cpuFeatures, hasInt8DotProduct, multipliesBf16 } from '../../core/cpu.ts';
import { formatBytes } from '../../core/format.ts';
import { availableMemory, memoryLimit } from '../../core/memory.ts';
import { ioError } from '../../io/atomic.ts';
import type { Check } from './check.ts';

/** Below these, quickstart itself does not fit. */
const LEAST = { memoryBytes: 2e9, freeMemoryBytes: 1e9, diskBytes: 1e9 } as const;

/** Node's version; the package needs 20.19, later even majors are tried. */
export function checkNode(version: string = process.versions.node): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    return {
      name: 'node',
      status: 'failed',
      detail: `${version}, older than 20.19`,
      hint: 'nvm install 22, or https://nodejs.org',
    };
  }
  return { name: 'node', status: 'ok', detail: `${version}, ${process.platform} ${process.arch}` };
}

/** The processor and the instructions that the fast paths need. */
export function checkCpu(cpu: CpuFeatures = cpuFeatures()): Check {
  const has: [string, boolean][] = [
    ['AVX2', cpu.flags.has('avx2')],
    ['AVX-512', cpu.flags.has('avx512f')],
    ['VNNI', hasInt8DotProduct(cpu)],
    ['bf16', multipliesBf16(cpu)],
    ['AMX', cpu.flags.has('amx_bf16') || cpu.flags.has('amx_int8')],
  ];
  const names = (there: boolean): string =>
    has
      .filter(([, is]) => is === there)
      .map(([name]) => name)
      .join(', ');
  const known = cpu.flags.size > 0;
  const detail = `${cpu.model}, ${cpu.cores} cores${known ? `; has ${names(true) || 'none of the fast instructions'}; lacks ${names(false) || 'nothing'}` : ''}`;
  if (known && process.arch === 'x64' && !cpu.flags.has('avx2')) {
    return { name: 'cpu', status: 'warning', detail, hint: 'everything runs, slowly: the fast kernels need AVX2' };
  }
  if (known && process.arch === 'x64' && !hasInt8DotProduct(cpu)) {
    return {
      name: 'cpu',
      status: 'warning',
      detail,
      hint: 'int8 models run without VNNI: exact, but hardly faster than fp32',
    };
  }
  return { name: 'cpu', status: 'ok', detail };
}

/** Memory that this process may use: the machine's, or the container's limit where there is one. */
export function checkMemory(total = memoryLimit(), free = availableMemory()): Check {
  const detail = `${formatBytes(total)}, ${formatBytes(free)} available`;
  if (total < LEAST.memoryBytes)
    return {
      name: 'memory',
      status: 'failed',
      detail,
      hint: `llmkit needs ${formatBytes(LEAST.memoryBytes)}; give the machine or container more`,
    };
  if (free < LEAST.freeMemoryBytes)
    return {
      name: 'memory',
      status: 'warning',
      detail,
      hint: 'close other programs, or lower per_device_train_batch_size and max_length',
    };
  return { name: 'memory', status: 'ok', detail };
}

/** Space and writability of a folder, or of the nearest one above it that exists; `unwritable` is how bad it is if nothing can be written. */
export function checkFolder(name: string, folder: string, unwritable: 'warning' | 'failed' = 'failed'): Check {
  let path = folder;
  while (!existsSync(path)) path = dirname(path);
  try {
    accessSync(path, constants.W_OK);
    // A read-only mount or a full disk shows only when something is written.
    const probe = join(path, `.llmkit-doctor-${randomBytes(4).toString('hex')}`);
    mkdirSync(probe);
    try {
      writeFileSync(join(probe, 'probe'), new Uint8Array(4096));
    } finally {
      rmSync(probe, { recursive: true });
    }
  } catch (error) {
    const shown = ioError(error, `cannot write in ${path}`, path) as Error & { hint?: string };
    return { name, status: unwritable, detail: shown.message, hint: shown.hint ?? 'choose another folder' };
  }
  const { bavail, bsize } = statfsSync(path);
  const free = bavail * bsize;
  const detail = `${folder}: writable, ${formatBytes(free)} free`;
  if (free < LEAST.diskBytes) return { name, status: 'warning', detail, hint: 'free some space, or use another disk' };
  return { name, status: 'ok', detail };
}
