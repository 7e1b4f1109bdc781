import { LlmkitError } from '../core/errors.ts';
import type { CommandContext, CommandResult } from '../core/events.ts';
import { formatBytes } from '../core/format.ts';
import { setupNative } from '../engine/tf/index.ts';

export interface SetupCommandOptions {
  /** CUDA instead of the CPU. */
  gpu?: boolean;
  /** Make it anew even if it is there. */
  force?: boolean;
  /** A failure is a warning: training then runs on wasm. For `npm test` and quickstart. */
  optional?: boolean;
}

/** Makes the native TensorFlow engine in the cache, or finds it there. */
export async function run(options: SetupCommandOptions, context: CommandContext): Promise<CommandResult> {
  try {
    const { gpu, force } = options;
    const report = await setupNative({
      ...(gpu === undefined ? {} : { gpu }),
      ...(force === undefined ? {} : { force }),
      emit: (event) => context.emit(event),
      signal: context.signal,
    });
    const { record, directory, bytes, status } = report;
    if (status === 'made') context.emit({ type: 'artifact', kind: 'engine', path: directory, bytes });
    const what = `TensorFlow ${record.tensorflow} (native, ${record.variant})`;
    return {
      ok: true,
      summary:
        status === 'made'
          ? `${what} is ready: ${formatBytes(bytes)} in ${directory}`
          : `${what} is ready (made before)`,
      data: {
        engine: 'native',
        status,
        directory,
        bytes,
        tensorflow: record.tensorflow,
        variant: record.variant,
        source: record.source,
      },
      next: 'llmkit doctor',
    };
  } catch (error) {
    if (options.optional !== true || !(error instanceof LlmkitError) || error.kind === 'interrupted') throw error;
    return withoutNative(error, context);
  }
}

function withoutNative(error: LlmkitError, context: CommandContext): CommandResult {
  const message = error.got === undefined ? error.message : `${error.message} (${error.got})`;
  context.emit({
    type: 'warning',
    message,
    ...(error.where === undefined ? {} : { where: error.where }),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
  return {
    ok: true,
    summary: 'There is no native TensorFlow engine; training runs on wasm, about ten times slower',
    data: { engine: 'wasm', status: 'failed', reason: message },
  };
}
