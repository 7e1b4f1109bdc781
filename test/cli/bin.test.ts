import { cpSync, existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { specs } from '../../src/cli/commands/index.ts';
import { folderOf } from '../config/helpers.ts';
import { llmkit, runNode } from './spawn.ts';

const good = 'version: 1\noutput_dir: out\n';

describe('llmkit', () => {
  it('prints help with every command and an example each, loading nothing heavy', async () => {
    const { code, stdout, stderr } = await llmkit('--help');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const spec of specs) expect(stdout).toContain(spec.name.split(' ')[0]);
    const loaded = await runNode('test/cli/fixtures/loaded.mjs', ['--help']);
    expect(loaded.stderr).not.toMatch(/node_modules\/(ink|react|zod|yaml|@tensorflow|onnxruntime-node|apache-arrow)\//);
    expect(loaded.stderr).toMatch(/node_modules\/commander\//);
  });

  it('prints the version', async () => {
    const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect((await llmkit('--version')).stdout).toBe(`${manifest.version}\n`);
  });

  it('suggests the command that was meant', async () => {
    expect(await llmkit('confg')).toMatchObject({
      code: 2,
      stdout: '',
      stderr: "error: unknown command 'confg'\n  hint: did you mean config?\n",
    });
    expect((await llmkit('config', 'check', '--confg', 'x')).stderr).toBe(
      "error: unknown option '--confg'\n  hint: did you mean --config?\n",
    );
  });

  it('says where the commands of a group are listed', async () => {
    expect((await llmkit('config')).stderr).toBe(
      'error: config needs a command\n  hint: llmkit config --help lists them\n',
    );
    expect((await llmkit('help', 'nope')).stderr).toBe(
      "error: unknown command 'nope'\n  hint: llmkit --help lists them\n",
    );
  });

  it('prints help into a pipe that nobody reads without a word', async () => {
    const ran = await runNode('bin/llmkit.js', ['--help'], (child) => child.stdout!.destroy());
    expect(ran).toMatchObject({ code: 141, stderr: '' });
  });

  it('without a command prints help and exits 2', async () => {
    const { code, stdout } = await llmkit();
    expect(code).toBe(2);
    expect(stdout).toContain('Usage: llmkit');
  });

  it('says what a bad flag should have been', async () => {
    const { code, stderr } = await llmkit('config', 'schema', '--threads', 'many');
    expect(code).toBe(2);
    expect(stderr).toContain('Expected a whole number');
  });

  it('refuses an empty path: it would be the folder one stands in', async () => {
    const { code, stderr } = await llmkit('config', 'schema', '--out', '');
    expect(code).toBe(2);
    expect(stderr).toContain('Expected a path');
  });

  it('refuses a config where none is read, instead of dropping it', async () => {
    for (const flags of [
      ['-c', 'configs/quickstart.yaml'],
      ['--set', 'seed=1'],
    ]) {
      expect(await llmkit('doctor', ...flags)).toMatchObject({
        code: 2,
        stdout: '',
        stderr: `error: doctor reads no config file\n  got ${flags[0]}\n  hint: leave out ${flags[0]}\n`,
      });
    }
  });

  it('asks for the config file that a command needs', async () => {
    expect(await llmkit('config', 'check')).toMatchObject({
      code: 2,
      stderr:
        'error: config check needs a config file\n  expected -c <file>\n  hint: llmkit config check -c configs/bank-support.yaml\n',
    });
  });
});

describe('a checkout that is not built', () => {
  it('says so', () => {
    const folder = folderOf({ 'package.json': '{"type":"module"}' });
    cpSync(fileURLToPath(new URL('../../bin', import.meta.url)), path.join(folder, 'bin'), { recursive: true });
    const ran = spawnSync(process.execPath, [path.join(folder, 'bin/llmkit.js'), '--help'], { encoding: 'utf8' });
    const stderr = 'error: llmkit is not built: dist/ is missing\n  hint: npm run build\n';
    expect(ran).toMatchObject({ status: 3, stdout: '', stderr });
  });
});

describe('llmkit config', () => {
  it('check says yes on standard output', async () => {
    const file = path.join(folderOf({ 'a.yaml': `${good}lora_rank: 4\nmodel: { name_or_path: nowhere }\n` }), 'a.yaml');
    const { code, stdout, stderr } = await llmkit('config', 'check', '-c', file);
    expect(code).toBe(0);
    expect(stdout).toBe(`✓ ${file} is valid\n`);
    expect(stderr).toBe(
      `mapped lora_rank -> finetune.lora.r (${file}:3:1)\n` +
        `warning: ${path.dirname(file)}/nowhere is not there yet\n  at ${file}:4:10 model.name_or_path\n`,
    );
  });

  it('check prints every error with place, expectation and hint, and exits 2', async () => {
    const file = path.join(folderOf({ 'a.yaml': `${good}finetune:\n  lora: { r: 0, lora_alhpa: 2 }\n` }), 'a.yaml');
    expect(await llmkit('config', 'check', '-c', file)).toEqual({
      code: 2,
      signal: null,
      stdout: '',
      stderr:
        `error: finetune.lora.r has a wrong value\n  at ${file}:4:14 finetune.lora.r\n  expected more than 0, got 0\n` +
        `error: unknown key lora_alhpa\n  at ${file}:4:17 finetune.lora.lora_alhpa\n  hint: did you mean lora_alpha?\n` +
        `error: 2 errors in ${file}\n`,
    });
  });

  it('prints errors as one JSON object with --json', async () => {
    const file = path.join(folderOf({ 'a.yaml': `${good}sead: 1\n` }), 'a.yaml');
    for (const args of [
      ['config', 'check', '-c', file],
      ['config', 'check', '--nonsense'],
      ['config', 'check'],
    ]) {
      const { code, stdout, stderr } = await llmkit(...args, '--json');
      expect({ code, stderr }).toEqual({ code: 2, stderr: '' });
      expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { message: expect.any(String) as string } });
      for (const output of [['--output', 'jsonl'], ['--output=jsonl']]) {
        const lines = await llmkit(...args, ...output);
        expect({ code: lines.code, stderr: lines.stderr }).toEqual({ code: 2, stderr: '' });
        expect(JSON.parse(lines.stdout)).toMatchObject({
          type: 'error',
          error: { message: expect.any(String) as string },
        });
      }
    }
  });

  it('check warns of every file that is not there', async () => {
    const text = `${good}prepare:
  sources: [{ path: rows.jsonl }, { path: 'all/*.txt' }]
  chat_template: chat.jinja
  keywords: [words.yaml]
  decontaminate: { against: [mmlu.jsonl] }
eval:
  tasks: [perplexity, { type: intents, path: test.jsonl }]
  baseline: base.json
`;
    const file = path.join(folderOf({ 'a.yaml': text }), 'a.yaml');
    const { code, stdout } = await llmkit('config', 'check', '-c', file, '--json');
    expect(code).toBe(0);
    const { warnings } = JSON.parse(stdout) as { warnings: { where: string }[] };
    expect(warnings.map(({ where }) => where.split(' ')[1])).toEqual([
      'prepare.sources.0.path',
      'prepare.chat_template',
      'prepare.keywords.0',
      'prepare.decontaminate.against.0',
      'eval.tasks.1.path',
      'eval.baseline',
    ]);
  });

  it('check takes an inline chat template for no file', async () => {
    const file = path.join(folderOf({ 'a.yaml': `${good}prepare: { chat_template: "{{ x }}" }\n` }), 'a.yaml');
    expect((await llmkit('config', 'check', '-c', file)).stderr).toBe('');
  });

  it('print gives YAML that is a config again, with the same hash', async () => {
    const folder = folderOf({ 'a.yaml': `${good}seed: 3\n` });
    const first = await llmkit('config', 'print', '-c', path.join(folder, 'a.yaml'), '--set', 'finetune.lora.r=2');
    expect(first.stdout).toContain('r: 2');
    const again = folderOf({ 'b.yaml': first.stdout });
    const printed = await llmkit('config', 'print', '-c', path.join(again, 'b.yaml'), '--json');
    const { data } = JSON.parse(printed.stdout) as { data: { hash: string; config: { seed: number } } };
    expect(data.config.seed).toBe(3);
    expect(first.stdout).toContain(data.hash);
  });

  it('schema writes what configs/schema holds', async () => {
    const out = path.join(mkdtempSync(path.join(tmpdir(), 'llmkit-schema-')), 's.json');
    expect((await llmkit('config', 'schema', '--out', out)).code).toBe(0);
    expect(readFileSync(out, 'utf8')).toBe(
      readFileSync(new URL('../../configs/schema/llmkit.schema.json', import.meta.url), 'utf8'),
    );
    expect((await llmkit('config', 'schema')).stdout).toBe(readFileSync(out, 'utf8'));
  });
});

describe('every declared command', () => {
  it.each(specs.map((spec) => [spec.name, spec] as const))(
    '%s has a module, a description and examples',
    async (_, spec) => {
      expect(existsSync(new URL(`../../src/commands/${spec.module}.ts`, import.meta.url))).toBe(true);
      expect(spec.description).not.toBe('');
      expect(spec.examples.length).toBeGreaterThan(0);
      for (const example of spec.examples) expect(example.startsWith(`llmkit ${spec.name}`)).toBe(true);
    },
  );
});
