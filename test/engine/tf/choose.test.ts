import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { cpuFeatures, hasInt8DotProduct, multipliesBf16 } from '../../../src/core/cpu.ts';
import { chooseEngine, type ChooseOptions } from '../../../src/engine/tf/choose.ts';
import { nativeEnvironment } from '../../../src/engine/tf/environment.ts';
import { NativeEngine } from '../../../src/engine/tf/native.ts';
import { probeNative } from '../../../src/engine/tf/probe.ts';
import { probeEngines } from '../../../src/engine/tf/probe-engines.ts';
import type { EngineChoice } from '../../../src/engine/tf/types.ts';
import { type FakeAddon, fakeAddon, installFake } from './fake-addon.ts';
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

describe('an engine that rounds products to bf16 because the environment says so', () => {
  const choose = (rounds: boolean, options: Omit<ChooseOptions, 'engine'>, engine: EngineChoice = 'native') => {
    vi.stubEnv('LLMKIT_CACHE_DIR', join(folder, `rounds-${rounds}`));
    installFake({ rounds });
    return chooseEngine({ engine, ...options }).finally(() => vi.unstubAllEnvs());
  };

  it.each(['native', 'auto'] as const)(
    'is refused where fp32 is asked for, naming the variable (%s)',
    async (engine) => {
      const error = { kind: 'environment', where: 'TF_SET_ONEDNN_FPMATH_MODE' };
      await expect(choose(true, { bf16: false }, engine)).rejects.toThrow(expect.objectContaining(error));
    },
  );

  it('is taken where bf16 may be, and one that does not round anywhere', async () => {
    expect(await choose(true, { bf16: true })).toMatchObject({ bf16Products: true });
    expect(await choose(true, {})).toMatchObject({ bf16Products: true });
    expect(await choose(false, { bf16: false })).toMatchObject({ bf16Products: false });
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
    const threads = { TF_NUM_INTRAOP_THREADS: '3', TF_NUM_INTEROP_THREADS: '3' };
    expect(nativeEnvironment({ threads: 3 }, {}, plain)).toMatchObject(threads);
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

function addonFile(name: string, source: string): string {
  const path = join(folder, `${name}.cjs`);
  writeFileSync(path, source);
  return path;
}

describe('probing an engine in a child process', () => {
  const addon = (name: string, fake: FakeAddon): string => addonFile(name, fakeAddon(fake));

  it('turns a crash into a message', async () => {
    const error = expect.objectContaining({ kind: 'environment', got: expect.stringContaining('SIGILL') });
    await expect(probeNative(addonFile('crash', 'process.kill(process.pid, "SIGILL");'))).rejects.toThrow(error);
  });

  it('tells an engine that does not answer from one that crashes', async () => {
    const error = {
      kind: 'environment',
      message: expect.stringContaining('does not answer'),
      got: 'nothing after 0.5 s',
    };
    const slow = probeNative(addonFile('slow', 'for (;;);'), { timeoutMs: 500 });
    await expect(slow).rejects.toThrow(expect.objectContaining(error));
  });

  it('turns a missing library into a message', async () => {
    const error = expect.objectContaining({ got: expect.stringContaining('libfoo.so') });
    await expect(
      probeNative(addonFile('missing', 'throw new Error("libfoo.so: cannot open shared object file");')),
    ).rejects.toThrow(error);
  });

  it('does not believe an engine that computes something else', async () => {
    await expect(probeNative(addon('wrong', { answer: [7, 10, 15, 23] }))).rejects.toThrow(/computes wrongly/);
    expect(await probeNative(addon('right', {}))).toMatchObject({ version: '9.9.9', gpu: false });
  });

  it('does not take the CPU for the GPU that is wanted, and says what TensorFlow says', async () => {
    const first = 'if (process.env.TF_CPP_MIN_LOG_LEVEL === "0") console.error("Could not find cuda drivers");';
    await expect(probeNative(addon('no-gpu', { first }), { gpu: true })).rejects.toThrow(
      expect.objectContaining({ kind: 'environment', got: 'Could not find cuda drivers' }),
    );
    expect(await probeNative(addon('gpu', { gpu: true }), { gpu: true })).toMatchObject({ gpu: true });
  });

  it('says so when there is no room for temporary files', async () => {
    vi.stubEnv('TMPDIR', join(folder, 'nowhere'));
    const error = { kind: 'io', hint: expect.stringContaining('TMPDIR') };
    await expect(probeNative(addon('right', {}))).rejects.toThrow(expect.objectContaining(error));
    const load = (): unknown => new NativeEngine(addon('right', {}));
    expect(load).toThrow(expect.objectContaining(error));
    vi.unstubAllEnvs();
  });

  it('tells how each engine fares', async () => {
    const [native, wasm] = await probeEngines();
    expect(native).toMatchObject({ engine: 'native', ok: nativeInstall !== undefined });
    expect(wasm).toMatchObject({ engine: 'wasm', ok: true, message: expect.stringContaining('WebAssembly') });
  });
});
