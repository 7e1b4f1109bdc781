import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../src/commands/quantize.ts';
import { loadConfig } from '../../src/config/index.ts';

const BASE = join(import.meta.dirname, '../golden/decoder/llama-gqa');

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-quantize-'));
  cpSync(BASE, join(dir, 'base'), { recursive: true });
  writeFileSync(join(dir, 'config.yaml'), 'version: 1\noutput_dir: run\nmodel: { name_or_path: base }\n');
});
afterEach(() => rmSync(dir, { recursive: true }));

function quantize(out: string): Promise<unknown> {
  const config = loadConfig(join(dir, 'config.yaml'));
  const context = { emit: () => undefined, signal: new AbortController().signal, cwd: dir };
  return run({ config, method: 'rtn', out }, context);
}

describe('quantize --out', () => {
  it('never replaces the checkpoint it reads, or a folder of other things', async () => {
    mkdirSync(join(dir, 'notes'));
    writeFileSync(join(dir, 'notes/thesis.tex'), '');
    for (const out of ['base', '.', 'notes']) {
      await expect(quantize(join(dir, out))).rejects.toMatchObject({ kind: 'usage', where: join(dir, out) });
    }
    expect(existsSync(join(dir, 'notes/thesis.tex'))).toBe(true);
    expect(existsSync(join(dir, 'base/model.safetensors'))).toBe(true);
  });

  it('replaces what it wrote before', async () => {
    await quantize(join(dir, 'int8'));
    await expect(quantize(join(dir, 'int8'))).resolves.toMatchObject({ ok: true });
  });
});
