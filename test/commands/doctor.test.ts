import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { guarded } from '../../src/commands/doctor/check.ts';
import { checkCpu, checkFolder, checkMemory, checkNode } from '../../src/commands/doctor/machine.ts';
import { run } from '../../src/commands/doctor.ts';
import { cpuFeatures } from '../../src/core/cpu.ts';
import { LlmkitError } from '../../src/core/errors.ts';
import type { Check } from '../../src/commands/doctor/check.ts';

const context = { emit: () => {}, signal: new AbortController().signal, cwd: tmpdir() };

it('runs every check and says what to do about each that fails', async () => {
  const result = await run({}, context);
  const checks = result.data['checks'] as unknown as Check[];
  expect(checks.map(({ name }) => name)).toEqual(
    expect.arrayContaining([
      'node',
      'cpu',
      'memory',
      'working folder',
      'temporary folder',
      'cache folder',
      'tensorflow native',
      'tensorflow wasm',
      'engine cache',
      'onnx runtime',
      'tokenizer',
    ]),
  );
  for (const check of checks) if (check.status !== 'ok') expect(check.hint, check.name).toBeTruthy();
  expect(result.ok).toBe(checks.every(({ status }) => status !== 'failed'));
  expect(checks.find(({ name }) => name === 'onnx runtime')?.status).not.toBe('failed');
  expect(checks.find(({ name }) => name === 'tokenizer')).toMatchObject({ status: 'ok' });
  expect(checks.find(({ name }) => name === 'tensorflow wasm')).toMatchObject({ status: 'ok' });
});

it('fails an old Node', () => {
  expect(checkNode('20.18.1')).toMatchObject({ status: 'failed', hint: expect.stringContaining('nvm') });
  expect(checkNode('20.19.0').status).toBe('ok');
  expect(checkNode('24.1.0').status).toBe('ok');
});

it.skipIf(process.arch !== 'x64')('warns of a processor without VNNI or AVX2', () => {
  expect(checkCpu(cpuFeatures('flags : avx2 avx512f')).hint).toContain('int8');
  expect(checkCpu(cpuFeatures('flags : sse2')).hint).toContain('AVX2');
  expect(checkCpu(cpuFeatures('flags : avx2 avx512f avx512_vnni'))).toMatchObject({
    status: 'ok',
    detail: expect.stringContaining('lacks bf16, AMX'),
  });
});

it('judges memory', () => {
  expect(checkMemory(1e9, 5e8).status).toBe('failed');
  expect(checkMemory(16e9, 5e8).status).toBe('warning');
  expect(checkMemory(16e9, 8e9).status).toBe('ok');
});

it.skipIf(process.getuid?.() === 0)('reports a folder that cannot be written', () => {
  const folder = mkdtempSync(join(tmpdir(), 'llmkit-doctor-'));
  chmodSync(folder, 0o500);
  expect(checkFolder('cache folder', join(folder, 'a', 'b'))).toMatchObject({
    status: 'failed',
    detail: expect.stringContaining('permission denied'),
  });
  rmSync(folder, { recursive: true });
});

it('looks at the nearest folder that exists', () => {
  expect(checkFolder('cache folder', join(tmpdir(), 'not', 'there', 'yet')).status).toBe('ok');
});

it("turns an error into a failure with the error's own hint", async () => {
  const thrown = new LlmkitError('environment', 'it is broken', { got: 'ENOENT', hint: 'mend it' });
  const check = await guarded('thing', () => Promise.reject(thrown), 'npm ci');
  expect(check).toEqual({ name: 'thing', status: 'failed', detail: 'it is broken: ENOENT', hint: 'mend it' });
});
