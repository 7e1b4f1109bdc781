import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readManifest } from '../../src/io/manifest.ts';
import { engines } from '../support/engines.ts';
import { TIMEOUT_MS, Workspace } from './workspace.ts';

type Results = { [task: string]: { [metric: string]: number } };

describe.each(engines)('the whole life on the %s engine', { timeout: TIMEOUT_MS }, (engine) => {
  let work: Workspace;
  beforeAll(() => {
    work = new Workspace();
  });
  afterAll(() => work.remove());

  it('prepares, pretrains, finetunes, merges, quantizes, evaluates and generates', async () => {
    const prepared = await work.result('prepare');
    expect(prepared).toMatchObject({ cached: false });
    const pretrained = await work.result('pretrain', '--engine', engine);
    expect(pretrained).toMatchObject({ totalSteps: 4, engine: expect.stringContaining(`(${engine}`) });
    const finetuned = await work.result('finetune', '--lora', '--engine', engine);
    expect(finetuned['lastLoss']).toBeLessThan(finetuned['firstLoss'] as number);
    await work.result('merge');
    const quantized = await work.result('quantize', '--engine', engine);
    expect(quantized['quantized_bytes']).toBeLessThan(quantized['source_bytes'] as number);
    for (const model of ['merged', 'quantized']) {
      const { results } = (await work.result('eval', '--model', model)) as { results: Results };
      expect(results['perplexity']!['perplexity']).toBeGreaterThan(1);
      // Perplexity of an even guess over the vocabulary; both models know more than that.
      expect(results['perplexity']!['perplexity']).toBeLessThan(400);
      expect(results['intents']!['acc']).toBeGreaterThanOrEqual(0);
      expect(existsSync(work.path('out', 'eval', model, 'junit.xml'))).toBe(true);
      const generated = await work.result('generate', '--model', model);
      expect((generated['ids'] as number[]).length).toBeGreaterThan(0);
    }
  });

  it('leaves manifests whose hashes lead from the data to the quantized model', () => {
    const manifest = (name: string) => readManifest(work.path('out', name));
    const output = (name: string, path: string) => manifest(name).outputs.find((file) => file.path === path)?.sha256;
    const inputs = (name: string) => manifest(name).inputs.map(({ sha256 }) => sha256);
    const weights = 'model.safetensors';

    expect(inputs('prepared')).toContain(work.sha256('train.jsonl'));
    expect(inputs('pretrained')).toContain(work.sha256('out', 'prepared', 'manifest.json'));
    expect(inputs('adapter')).toContain(output('pretrained', weights));
    expect(inputs('merged')).toContain(output('adapter', 'adapter_model.safetensors'));
    expect(inputs('quantized')).toContain(output('merged', weights));
    for (const name of ['prepared', 'pretrained', 'adapter', 'merged', 'quantized']) {
      const { outputs, versions } = manifest(name);
      expect(versions).toMatchObject({ node: process.versions.node, llmkit: expect.any(String) });
      for (const { path, sha256 } of outputs) expect(work.sha256('out', name, path), `${name}/${path}`).toBe(sha256);
    }
  });

  it('keeps the events of its commands', () => {
    expect(existsSync(work.path('out', 'events.jsonl'))).toBe(true);
    const events = readFileSync(work.path('out', 'events.jsonl'), 'utf8').trim().split('\n');
    const commands = events.map((line) => JSON.parse(line) as { type: string; command?: string });
    const finished = commands.filter(({ type }) => type === 'result').map(({ command }) => command);
    expect(finished).toEqual(expect.arrayContaining(['pretrain', 'finetune']));
  });
});
