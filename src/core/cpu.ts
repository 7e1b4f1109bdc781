import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** What the processor can do, in the names Linux gives it. */
export interface CpuFeatures {
  model: string;
  /** Logical cores that the process sees. */
  cores: number;
  /** Flags of /proc/cpuinfo (`avx2`, `avx512_vnni`, `amx_bf16`, ...); empty where there is no such file. */
  flags: ReadonlySet<string>;
}

/** Reads the processor's features: /proc/cpuinfo on Linux; elsewhere the model and cores only. */
export function cpuFeatures(cpuinfo: string | undefined = readCpuinfo()): CpuFeatures {
  const list = cpus();
  // x86 says `flags`, arm `Features`.
  const line = /^(?:flags|Features)\s*:(.*)$/m.exec(cpuinfo ?? '')?.[1] ?? '';
  const model = /^model name\s*:\s*(.*)$/m.exec(cpuinfo ?? '')?.[1] ?? list[0]?.model ?? process.arch;
  return { model, cores: list.length, flags: new Set(line.trim().split(/\s+/).filter(Boolean)) };
}

/** Whether the processor multiplies bf16 itself; without that, bf16 only costs conversions. */
export function multipliesBf16({ flags }: CpuFeatures): boolean {
  return flags.has('avx512_bf16') || flags.has('amx_bf16') || flags.has('bf16');
}

/** Whether int8 products add up in 32 bits (VNNI, AMX, or arm's dot product); without it u8 x s8 may saturate in 16 bits. */
export function hasInt8DotProduct({ flags }: CpuFeatures): boolean {
  return ['avx512_vnni', 'avx_vnni', 'amx_int8', 'asimddp', 'i8mm'].some((flag) => flags.has(flag));
}

function readCpuinfo(): string | undefined {
  return process.platform === 'linux' ? readFileSync('/proc/cpuinfo', 'utf8') : undefined;
}
