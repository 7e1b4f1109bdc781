import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run as finetune } from '../../src/commands/finetune.ts';
import { run as pretrain } from '../../src/commands/pretrain.ts';
import { loadConfig } from '../../src/config/index.ts';
import { writeManifest } from '../../src/io/manifest.ts';
import { checkReplaceable } from '../../src/io/replaceable.ts';
import { failure } from '../support/failure.ts';

let dir: string;
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'llmkit-replaceable-'))));
afterEach(() => rmSync(dir, { recursive: true }));

function folder(name: string, files: string[], command?: string): string {
  const path = join(dir, name);
  mkdirSync(path);
  for (const file of files) writeFileSync(join(path, file), '{}');
  if (command !== undefined)
    writeManifest(path, { command, config: {}, inputs: [], outputs: [], seed: 1, versions: {} });
  return path;
}

describe('a folder for an output', () => {
  it('may be absent, empty, a checkpoint or what a command finished', () => {
    checkReplaceable(join(dir, 'absent'), []);
    checkReplaceable(folder('empty', []), [], 'eval');
    checkReplaceable(folder('checkpoint', ['model.safetensors']), []);
    checkReplaceable(folder('finished', ['rows'], 'prepare'), []);
    checkReplaceable(folder('evaluated', ['results.json'], 'eval'), [], 'eval');
  });

  it('may not hold anything else, whatever its manifest.json is', () => {
    expect(failure(() => checkReplaceable(folder('notes', ['thesis.tex']), []))).toMatchObject({ got: 'thesis.tex' });
    const web = folder('web', ['index.html', 'manifest.json']);
    for (const command of [undefined, 'eval'])
      expect(failure(() => checkReplaceable(web, [], command))).toMatchObject({ kind: 'usage', where: web });
  });

  it('may not be what another command left, where the command is asked for', () => {
    expect(failure(() => checkReplaceable(folder('prepared', [], 'prepare'), [], 'eval'))).toMatchObject({
      kind: 'usage',
      got: 'the output of llmkit prepare',
    });
    expect(failure(() => checkReplaceable(folder('model', ['model.safetensors']), [], 'pretrain'))).toMatchObject({
      got: 'model.safetensors',
    });
  });

  it('may not hold a file that is read', () => {
    const out = folder('before', ['baseline.json'], 'eval');
    expect(failure(() => checkReplaceable(out, [join(out, 'baseline.json')], 'eval'))).toMatchObject({
      kind: 'usage',
      message: 'the output would replace its own input',
    });
  });
});

describe('training', () => {
  it.each([
    ['pretrain', pretrain, 'pretrained'],
    ['finetune', finetune, 'adapter'],
  ])('%s never replaces what it did not write', async (_, run, name) => {
    writeFileSync(join(dir, 'c.yaml'), 'version: 1\noutput_dir: .\nmodel: { name_or_path: base }\n');
    const out = folder(name, ['adapter_model.safetensors']);
    const context = { emit: () => undefined, signal: new AbortController().signal, cwd: dir };
    const running = run({ config: loadConfig(join(dir, 'c.yaml')) }, context);
    await expect(running).rejects.toMatchObject({ kind: 'usage', where: out });
    expect(existsSync(join(out, 'adapter_model.safetensors'))).toBe(true);
  });
});
