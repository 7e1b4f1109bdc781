import type { Config } from '../config/index.ts';
import type { CommandSpec, GlobalFlags } from './spec.ts';

/**
 * Sets what native libraries read from the environment. They read the process's own, not a worker's copy,
 * so this happens on the main thread before the worker starts. What the user has set stays.
 */
export async function setNativeEnvironment(
  spec: CommandSpec,
  flags: GlobalFlags,
  config: Config | undefined,
): Promise<void> {
  const { nativeEnvironment } = await import('../engine/tf/environment.ts');
  const precision = spec.precisionOf === undefined ? undefined : config?.[spec.precisionOf].precision;
  const wanted = nativeEnvironment({
    bf16: precision === 'auto' || precision === 'bf16',
    ...(flags.threads === undefined ? {} : { threads: flags.threads }),
  });
  Object.assign(process.env, wanted);
}
