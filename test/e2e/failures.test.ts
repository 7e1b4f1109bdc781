import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readManifest } from '../../src/io/manifest.ts';
import { TIMEOUT_MS, Workspace } from './workspace.ts';

/** What a user sees when something is wrong, and that what was there before still is. */
describe('a run that goes wrong', { timeout: TIMEOUT_MS }, () => {
  let work: Workspace;
  beforeAll(async () => {
    work = new Workspace();
    await work.result('prepare');
    await work.result('pretrain');
    await work.result('finetune', '--lora');
  });
  afterAll(() => work.remove());

  it('names the line, the column and the nearest key of a typo, and exits with 2', async () => {
    const config = readFileSync(work.path('config.yaml'), 'utf8');
    work.write('config.yaml', config.replace('  learning_rate: 1.0e-2', '  learning_rat: 1.0e-2'));
    const { code, stdout, stderr } = await work.run('finetune', '--lora');
    work.write('config.yaml', config);
    const line = config.split('\n').indexOf('  learning_rate: 1.0e-2') + 1;
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(`config.yaml:${line}:3 finetune.learning_rat`);
    expect(stderr).toContain('learning_rate');
  });

  it('names the broken line of the data, exits with 4 and keeps the prepared rows', async () => {
    const before = readManifest(work.path('out', 'prepared'));
    const rows = readFileSync(work.path('train.jsonl'), 'utf8');
    work.write('train.jsonl', rows.replace('\n{', '\n{"messages": [{\n{'));
    const { code, stderr } = await work.run('prepare');
    work.write('train.jsonl', rows);
    expect(code).toBe(4);
    expect(stderr).toMatch(/train\.jsonl:2/);
    expect(readManifest(work.path('out', 'prepared'))).toEqual(before);
  });

  it('names a column that is missing, and those that are there', async () => {
    const rows = readFileSync(work.path('train.jsonl'), 'utf8');
    work.write('train.jsonl', rows.replaceAll('"messages":', '"massages":'));
    const { code, stderr } = await work.run('prepare');
    work.write('train.jsonl', rows);
    expect(code).toBe(4);
    expect(stderr).toMatch(/messages/);
    expect(stderr).toMatch(/massages/);
  });

  it('refuses a truncated checkpoint by name, exits with 4 and keeps the adapter', async () => {
    const adapter = work.sha256('out', 'adapter', 'adapter_model.safetensors');
    const weights = work.path('out', 'pretrained', 'model.safetensors');
    const whole = readFileSync(weights);
    truncateSync(weights, whole.length - 1000);
    const finetune = await work.run('finetune', '--lora');
    const merge = await work.run('merge');
    writeFileSync(weights, whole);
    for (const { code, stderr } of [finetune, merge]) {
      expect(code).toBe(4);
      expect(stderr).toContain('model.safetensors');
    }
    expect(work.sha256('out', 'adapter', 'adapter_model.safetensors')).toBe(adapter);
    expect(existsSync(work.path('out', 'merged'))).toBe(false);
  });

  it('exits with 1 when a gate fails, says which, and writes the figures all the same', async () => {
    const { code, stdout } = await work.run('eval', '--model', 'base', '--set', 'eval.gates={perplexity: {max: 1.5}}');
    expect(code).toBe(1);
    expect(stdout).toMatch(/FAIL: 1 of 1 gate checks: perplexity \d+\S* is not at most 1\.5/);
    const junit = readFileSync(work.path('out', 'eval', 'base', 'junit.xml'), 'utf8');
    expect(junit).toMatch(/failures="1"/);
  });
});
