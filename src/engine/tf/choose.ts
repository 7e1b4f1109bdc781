import { isMainThread } from 'node:worker_threads';
import { LlmkitError } from '../../core/errors.ts';
import { findNative } from './cache.ts';
import { nativeEnvironment } from './environment.ts';
import { NativeEngine } from './native.ts';
import { probeAnswer, probeGraph, probeInput } from './probe.ts';
import type { EngineChoice, TfEngine } from './types.ts';
import { WasmEngine } from './wasm.ts';

export interface ChooseOptions {
  engine: EngineChoice;
  /** Ask for bf16 products of f32 tensors, see `nativeEnvironment`; false: refuse an engine that makes them all the same. */
  bf16?: boolean;
  threads?: number;
}

/**
 * The best engine that executes an op: native where setup made it and it computes rightly, else wasm.
 * Its `description` and `reason` say which and why. Throws `environment` when the engine that was asked for cannot run, and
 * when bf16 is not wanted and the user's own environment asks TensorFlow for it.
 */
export async function chooseEngine(options: ChooseOptions): Promise<TfEngine> {
  const engine = await bestEngine(options);
  if (options.bf16 !== false || !engine.bf16Products) return engine;
  engine.dispose();
  const variable = 'TF_SET_ONEDNN_FPMATH_MODE';
  throw new LlmkitError('environment', 'TensorFlow is set to round products to bf16, and this asks for fp32', {
    where: variable,
    expected: 'unset',
    got: process.env[variable] ?? 'unset here, set for the process',
    hint: `unset ${variable}; llmkit sets it by itself where precision allows bf16`,
  });
}

async function bestEngine(options: ChooseOptions): Promise<TfEngine> {
  if (options.engine === 'wasm') return checked(await WasmEngine.create('asked for'));
  const install = findNative();
  if (install === undefined) {
    if (options.engine === 'auto')
      return checked(await WasmEngine.create('the native engine is not set up (llmkit setup makes it)'));
    throw new LlmkitError('environment', 'the native TensorFlow engine is not set up', { hint: 'llmkit setup' });
  }
  // In a worker only the main thread can still reach the environment that libtensorflow reads.
  if (isMainThread) Object.assign(process.env, nativeEnvironment(options));
  try {
    return checked(
      new NativeEngine(install.addonPath, options.engine === 'native' ? 'asked for' : 'the fastest that runs here'),
    );
  } catch (error) {
    if (options.engine === 'native' || !(error instanceof LlmkitError)) throw error;
    const detail = error.got === undefined ? '' : ` (${error.got})`;
    return checked(await WasmEngine.create(`${error.message}${detail}; ${error.hint ?? 'llmkit doctor tells more'}`));
  }
}

/** The engine, after it has computed something right. */
function checked(engine: TfEngine): TfEngine {
  const program = engine.load(probeGraph);
  const x = engine.tensor(Float32Array.from(probeInput), [2, 2], 'f32');
  const { y } = program.run({ x });
  const answer = engine.read(y!);
  x.dispose();
  y!.dispose();
  program.dispose();
  if (answer.join() !== probeAnswer.join()) {
    throw new LlmkitError('environment', `${engine.description} computes wrongly`, {
      expected: probeAnswer.join(', '),
      got: answer.join(', '),
      hint: 'llmkit doctor',
    });
  }
  return engine;
}
