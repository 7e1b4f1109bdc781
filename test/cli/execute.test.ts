import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { ChildProcess } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { folderOf } from '../config/helpers.ts';
import { runNode } from './spawn.ts';

const run = (behave: string, flags: object = {}, during?: (child: ChildProcess) => void) =>
  runNode('test/cli/fixtures/run.mjs', [behave, JSON.stringify(flags)], during);

/** Sends signals once the command has said that it started. */
function signalAfterStart(...signals: NodeJS.Signals[]): (child: ChildProcess) => void {
  return (child) => {
    child.stderr!.once('data', () => {
      for (const [i, signal] of signals.entries()) setTimeout(() => child.kill(signal), 200 * i);
    });
  };
}

describe('a command in its worker', () => {
  it('prints its result on standard output and all else on standard error, the summary last', async () => {
    const { code, stdout, stderr } = await run('finish');
    expect({ code, stdout }).toEqual({ code: 0, stdout: '✓ ten rows\n' });
    expect(stderr).toContain('fixture: finish\n');
    expect(stderr).toContain('warning: one row was skipped\n  at rows.jsonl:3\n');
    expect(stderr).toContain('  wrote prepared: runs/out (1.23 kB)\n');
    expect(stderr).toMatch(/next: llmkit finetune\n$/);
    expect(stderr).not.toContain('a library prints');
  });

  it('is quiet with --quiet, and shows what libraries print with --verbose', async () => {
    expect((await run('finish', { quiet: true })).stderr).toBe('warning: one row was skipped\n  at rows.jsonl:3\n');
    expect((await run('finish', { verbose: true })).stderr).toContain('a library prints\n');
  });

  it('prints exactly one object with --json', async () => {
    const { stdout, stderr } = await run('finish', { json: true });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({
      ok: true,
      command: 'fixture',
      summary: 'ten rows',
      data: { rows: 10, cwd: process.cwd() },
      next: 'llmkit finetune',
      warnings: [{ message: 'one row was skipped', where: 'rows.jsonl:3' }],
      artifacts: [{ kind: 'prepared', path: 'runs/out', bytes: 1234 }],
    });
  });

  it('prints every event as a line with --output jsonl, ending in the result or the error', async () => {
    const lines = async (behave: string) => {
      const { stdout } = await run(behave, { output: 'jsonl' });
      return stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as { type: string });
    };
    const finished = await lines('finish');
    expect(finished.map((event) => event.type)).toEqual([
      'start',
      ...Array<string>(10).fill('step'),
      'stage',
      'warning',
      'artifact',
      'result',
    ]);
    expect((await lines('bug')).at(-1)).toMatchObject({ type: 'error', error: { kind: 'bug' } });
  });

  it('gets the config that the main thread read, and keeps its events', async () => {
    const folder = folderOf({ 'a.yaml': 'version: 1\noutput_dir: out\nlora_rank: 2\n' });
    const { code, stdout, stderr } = await run('config', { config: path.join(folder, 'a.yaml'), spec: { logs: true } });
    expect({ code, stdout }).toEqual({ code: 0, stdout: `✓ ${path.join(folder, 'x')}\n` });
    expect(stderr).toContain('mapped lora_rank');
    const log = readFileSync(path.join(folder, 'out/events.jsonl'), 'utf8').trimEnd().split('\n');
    expect(log.map((line) => (JSON.parse(line) as { type: string }).type)).toEqual(['note', 'start', 'result']);
  });

  it('warns when its events cannot be kept, and goes on', async () => {
    const folder = folderOf({ 'a.yaml': 'version: 1\noutput_dir: out\n', out: 'a file where a folder should be' });
    const { code, stderr } = await run('config', { config: path.join(folder, 'a.yaml'), spec: { logs: true } });
    expect(code).toBe(0);
    expect(stderr).toContain('warning: events are not logged: cannot mkdir: file already exists (EEXIST)');
  });
});

describe('exit codes', () => {
  it.each([
    ['gate', 1, 'fixture: gate\n', '✗ perplexity 9.1 is above 8\n'],
    ['environment', 3, 'error: no engine runs here\n  hint: llmkit doctor\n', ''],
    ['enospc', 4, 'error: cannot write: no space left on device (ENOSPC)\n  hint: the disk is full', ''],
    ['bug', 70, 'error: TypeError: x is not a function\n  this is a bug in llmkit', ''],
    ['reject', 70, 'error: Error: nobody waited\n  this is a bug', ''],
    ['exit', 70, "error: the command's thread ended with code 9", ''],
  ])('%s is %i', async (behave, code, stderr, stdout) => {
    const ran = await run(behave);
    expect(ran).toMatchObject({ code, stdout });
    expect(ran.stderr).toContain(stderr);
  });

  it('show the stack and the last lines printed only with --verbose', async () => {
    expect((await run('bug')).stderr).not.toContain('command.mjs');
    const { stderr } = await run('bug', { verbose: true });
    expect(stderr).toContain('command.mjs');
    expect(stderr).toContain('last words');
  });

  it('survive the worker boundary into --json', async () => {
    const { code, stdout } = await run('environment', { json: true });
    expect(code).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { kind: 'environment', hint: 'llmkit doctor' } });
  });
});

describe('signals', () => {
  it.each([
    ['SIGINT', 'spin', 130],
    ['SIGTERM', 'spin', 143],
    ['SIGINT', 'wait', 130],
  ] as const)('%s lets a command (%s) stop in order and exits with %i', async (signal, behave, code) => {
    const ran = await run(behave, {}, signalAfterStart(signal));
    expect(ran).toMatchObject({ code, signal: null });
    expect(ran.stderr).toContain('stopping after this step');
    expect(ran.stderr).toContain('interrupted: stopped');
  });

  it('a second one kills at once, whatever the worker is busy with', async () => {
    const started = Date.now();
    const ran = await run('stuck', {}, signalAfterStart('SIGINT', 'SIGINT'));
    expect(ran).toMatchObject({ code: null, signal: 'SIGINT' });
    expect(Date.now() - started).toBeLessThan(10_000);
  });

  it('a reader that goes away stops the run without a word', async () => {
    const ran = await run('text', { spec: { streams: true } }, (child) => {
      child.stdout!.once('data', () => child.stdout!.destroy());
    });
    expect(ran.code).toBe(141);
    expect(ran.stderr).toBe('fixture: text\n');
  });

  it('a terminal that hangs up ends the live display with the run', async () => {
    const flags = JSON.stringify({ terminal: true });
    const env = { CI: '', TERM: 'xterm' };
    const ran = await runNode(
      'test/cli/fixtures/run.mjs',
      ['wait', flags],
      (child) => setTimeout(() => child.kill('SIGKILL'), 20_000).unref(),
      env,
    );
    expect(ran).toMatchObject({ code: 141, signal: null });
    expect(ran.stderr).toContain('fixture: wait');
  });
});
