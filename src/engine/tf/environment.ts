import { type CpuFeatures, cpuFeatures, multipliesBf16 } from '../../core/cpu.ts';

export interface NativeEnvironmentOptions {
  /** Let float32 matrix products run in bf16 (`precision: bf16` or `auto`). Ignored where the processor has no bf16. */
  bf16?: boolean;
  /** Threads of one op, and ops that run side by side; all cores unless told. */
  threads?: number;
}

/**
 * The environment that libtensorflow reads when it loads. It reads the process's own, not a worker's `process.env`:
 * set it in the main thread before the worker that loads the engine starts. Variables the user has set win.
 */
export function nativeEnvironment(
  options: NativeEnvironmentOptions = {},
  environment: NodeJS.ProcessEnv = process.env,
  cpu: CpuFeatures = cpuFeatures(),
): Record<string, string> {
  const wanted: Record<string, string> = {
    TF_CPP_MIN_LOG_LEVEL: '2',
    TF_FORCE_GPU_ALLOW_GROWTH: 'true',
    TF_ENABLE_ONEDNN_OPTS: '1',
  };
  if (options.threads !== undefined) {
    wanted['TF_NUM_INTRAOP_THREADS'] = String(options.threads);
    wanted['TF_NUM_INTEROP_THREADS'] = String(options.threads);
  }
  if (options.bf16 === true && multipliesBf16(cpu)) wanted['TF_SET_ONEDNN_FPMATH_MODE'] = 'BF16';
  return Object.fromEntries(Object.entries(wanted).filter(([name]) => !environment[name]));
}
