import type { Config } from '../config/index.ts';
import type { CommandSpec, GlobalFlags } from './spec.ts';

/**
 * Sets what native libraries read from the environment. They read the process's own, not a worker's copy,
 * so this happens on the main thread before the worker starts. What the user has set stays.
 */
export async function setNativeEnvironment(
  spec: CommandSpec,
  flags: GlobalFlags & { stage?: unknown },
  config: Config | undefined,
): Promise<void> {
  const { nativeEnvironment } = await import('../engine/tf/environment.ts');
  const section = spec.precisionOf === 'stage' ? stageOf(flags.stage, config) : spec.precisionOf;
  const precision = section === undefined ? undefined : config?.[section].precision;
  const wanted = nativeEnvironment({
    bf16: precision === 'auto' || precision === 'bf16',
    ...(flags.threads === undefined ? {} : { threads: flags.threads }),
  });
  Object.assign(process.env, wanted);
}

/** As `plan` chooses it: the one that is named, else finetune where there is a base. */
function stageOf(named: unknown, config: Config | undefined): 'pretrain' | 'finetune' {
  if (named === 'pretrain' || named === 'finetune') return named;
  return config?.model.name_or_path === undefined ? 'pretrain' : 'finetune';
}
