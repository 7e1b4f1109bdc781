import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { cpuFeatures, hasInt8DotProduct, multipliesBf16 } from '../../../src/core/cpu.ts';
import { chooseEngine } from '../../../src/engine/tf/choose.ts';
import { nativeEnvironment } from '../../../src/engine/tf/environment.ts';
import { probeNative } from '../../../src/engine/tf/probe.ts';
import { probeEngines } from '../../../src/engine/tf/probe-engines.ts';
import { nativeInstall } from './native-or-skip.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'llmkit-choose-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('choosing an engine', () => {
  it('takes wasm and says why where the native one is not set up', async () => {
    vi.stubEnv('LLMKIT_CACHE_DIR', join(folder, 'nothing'));
    const engine = await chooseEngine({ engine: 'auto' });
    expect(engine).toMatchObject({ kind: 'wasm', reason: expect.stringContaining('llmkit setup') });
    await expect(chooseEngine({ engine: 'native' })).rejects.toThrow(
      expect.objectContaining({ kind: 'environment', hint: 'llmkit setup' }),
    );
    vi.unstubAllEnvs();
  });

  it('takes wasm when it is asked for', async () => {
    expect(await chooseEngine({ engine: 'wasm' })).toMatchObject({ kind: 'wasm', reason: 'asked for' });
  });

  it.skipIf(nativeInstall === undefined)('takes the native one where it runs', async () => {
    const engine = await chooseEngine({ engine: 'auto' });
    expect(engine).toMatchObject({
      kind: 'native',
      description: expect.stringMatching(/^TensorFlow \d+\.\d+\.\d+ \(native, (cpu|gpu)[,)]/),
    });
    engine.dispose();
  });
});

describe('the environment of the native engine', () => {
  const amx = cpuFeatures('model name : X\nflags : avx2 avx512f amx_bf16 avx512_vnni');
  const plain = cpuFeatures('model name : Y\nflags : sse2 avx2');

  it('asks for bf16 only where the processor multiplies it', () => {
    expect(nativeEnvironment({ bf16: true }, {}, amx)).toHaveProperty('TF_SET_ONEDNN_FPMATH_MODE', 'BF16');
    expect(nativeEnvironment({ bf16: true }, {}, plain)).not.toHaveProperty('TF_SET_ONEDNN_FPMATH_MODE');
    expect(nativeEnvironment({}, {}, amx)).not.toHaveProperty('TF_SET_ONEDNN_FPMATH_MODE');
  });

  it('sets threads, and leaves what the user has set', () => {
    expect(nativeEnvironment({ threads: 3 }, {}, plain)).toHaveProperty('TF_NUM_INTRAOP_THREADS', '3');
    expect(nativeEnvironment({ threads: 3 }, { TF_NUM_INTRAOP_THREADS: '1' }, plain)).not.toHaveProperty(
      'TF_NUM_INTRAOP_THREADS',
    );
  });

  it('reads the features of the processor', () => {
    expect(amx).toMatchObject({ model: 'X' });
    expect([multipliesBf16(amx), hasInt8DotProduct(amx), multipliesBf16(plain), hasInt8DotProduct(plain)]).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(cpuFeatures().cores).toBeGreaterThan(0);
  });
});

/** Stands in for the addon: `require` loads JavaScript as well. */
function fakeAddon(name: string, source: string): string {
  const path = join(folder, `${name}.cjs`);
  writeFileSync(path, source);
  return path;
}

describe('probing an engine in a child process', () => {
  const working = (values: string): string => `module.exports = {
    TF_Version: '9.9.9', isUsingGpuDevice: () => false, loadSavedModel: () => 0, createTensor: () => 0,
    runSavedModel: () => [{ id: 1 }], tensorDataSync: () => Float32Array.of(${values}),
  };`;

  it('turns a crash into a message', async () => {
    const error = expect.objectContaining({ kind: 'environment', got: expect.stringContaining('SIGILL') });
    await expect(probeNative(fakeAddon('crash', 'process.kill(process.pid, "SIGILL");'))).rejects.toThrow(error);
  });

  it('turns a missing library into a message', async () => {
    const error = expect.objectContaining({ got: expect.stringContaining('libfoo.so') });
    await expect(
      probeNative(fakeAddon('missing', 'throw new Error("libfoo.so: cannot open shared object file");')),
    ).rejects.toThrow(error);
  });

  it('does not believe an engine that computes something else', async () => {
    await expect(probeNative(fakeAddon('wrong', working('7, 10, 15, 23')))).rejects.toThrow(/computes wrongly/);
    expect(await probeNative(fakeAddon('right', working('7, 10, 15, 22')))).toMatchObject({
      version: '9.9.9',
      gpu: false,
    });
  });

  it('tells how each engine fares', async () => {
    const [native, wasm] = await probeEngines();
    expect(native).toMatchObject({ engine: 'native', ok: nativeInstall !== undefined });
    expect(wasm).toMatchObject({ engine: 'wasm', ok: true, message: expect.stringContaining('WebAssembly') });
  });
});
