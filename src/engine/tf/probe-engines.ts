import { findNative } from './cache.ts';
import { probeNative } from './probe.ts';
import { probeWasm } from './probe-wasm.ts';

/** What one engine said when asked to run a graph. */
export interface EngineProbe {
  engine: 'native' | 'wasm';
  ok: boolean;
  /** Version and device, or what went wrong. */
  message: string;
  hint?: string;
  ms?: number;
}

/** Runs a graph on every engine, each in a process of its own, so that a crash becomes a message. */
export async function probeEngines(): Promise<EngineProbe[]> {
  return [await attempt('native', nativeProbe), await attempt('wasm', probeWasm)];
}

async function nativeProbe(): Promise<{ message: string; ms: number }> {
  const install = findNative();
  if (install === undefined) throw new Error('not set up');
  const { version, gpu, ms } = await probeNative(install.addonPath);
  return { message: `TensorFlow ${version} on the ${gpu ? 'gpu' : 'cpu'}`, ms };
}

async function attempt(
  engine: EngineProbe['engine'],
  probe: () => Promise<{ message: string; ms: number }>,
): Promise<EngineProbe> {
  try {
    return { engine, ok: true, ...(await probe()) };
  } catch (error) {
    const { message, got, hint } = error as Error & { got?: string; hint?: string };
    const fallback = engine === 'native' ? 'llmkit setup' : 'npm ci';
    return { engine, ok: false, message: got === undefined ? message : `${message}: ${got}`, hint: hint ?? fallback };
  }
}
