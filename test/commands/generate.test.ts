import { cpSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run, type GenerateCommandOptions } from '../../src/commands/generate.ts';
import { loadConfig } from '../../src/config/index.ts';
import type { LlmkitEvent } from '../../src/core/events.ts';
import { chooseModel, nameOfChoice } from '../../src/infer/choose-model.ts';
import { initWeights } from '../../src/model/init.ts';
import { writeCheckpoint } from '../../src/model/write-checkpoint.ts';
import { saveTokenizer, trainBpe } from '../../src/tokenizer/index.ts';
import { openFixture } from '../support/decoder-fixture.ts';

let dir: string;
let base: string;
let configPath: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-generate-'));
  base = join(dir, 'base');
  const { spec } = openFixture('llama-gqa-tied').checkpoint;
  const sized = { ...spec, vocabSize: 259, eosTokenIds: [1], bosTokenId: 0, padTokenId: 2 };
  const weights = initWeights(sized, 3, { initializerRange: 0.5 });
  writeCheckpoint(base, sized, (name) => weights.readF32(name), { dtype: 'float32' });
  const specialTokens = ['<bos>', '<eos>', '<pad>'];
  const tokenizer = await trainBpe(['abc'], { vocabSize: 259, specialTokens, pretokenizer: 'gpt2' });
  saveTokenizer(base, tokenizer, {
    bos: '<bos>',
    eos: '<eos>',
    pad: '<pad>',
    chatTemplate: '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:',
  });
  configPath = join(dir, 'config.yaml');
  writeFileSync(
    configPath,
    'version: 1\noutput_dir: out\nmodel: { name_or_path: base }\ngenerate: { prompt: hello, max_new_tokens: 8, temperature: 0 }\n',
  );
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function generate(options: GenerateCommandOptions, signal = new AbortController().signal) {
  const events: LlmkitEvent[] = [];
  const context = { emit: (event: LlmkitEvent) => events.push(event), signal, cwd: dir };
  const result = await run({ threads: 1, cacheDir: join(dir, 'cache'), ...options }, context);
  const text = events.map((event) => (event.type === 'text' ? event.text : '')).join('');
  return { result, events, text };
}

describe('the generate command', () => {
  it('streams the text that it reports, from the config alone', async () => {
    const { result, events, text } = await generate({ config: loadConfig(configPath) });
    expect(events[0]).toMatchObject({ type: 'start', command: 'generate' });
    expect(result.ok).toBe(true);
    expect(result.data['text']).toBe(text);
    expect(result.data['ids']).toHaveLength(8);
    expect(result.data['finish_reason']).toBe('length');
    expect(result.summary).toMatch(/^8 tokens, [\d.]+ tokens\/s/);
  });

  it('uses the chat template unless told not to', async () => {
    const config = loadConfig(configPath);
    const chat = await generate({ config });
    const raw = await generate({ config, raw: true });
    expect(chat.result.data['prompt_tokens']).toBe(Buffer.byteLength('user: hello\nassistant:'));
    expect(raw.result.data['prompt_tokens']).toBe(Buffer.byteLength('hello'));
    const system = await generate({ config, system: 'be kind' });
    expect(system.result.data['prompt_tokens']).toBe(Buffer.byteLength('system: be kind\nuser: hello\nassistant:'));
    await expect(generate({ config, system: 'be kind', raw: true })).rejects.toMatchObject({ kind: 'usage' });
  });

  it('runs a folder without a config, flags before defaults', async () => {
    const flags = { model: 'base', prompt: 'hi', maxNewTokens: 3, temperature: 0 };
    expect((await generate(flags)).result.data['ids']).toHaveLength(3);
    await expect(generate({ model: 'base' })).rejects.toMatchObject({ kind: 'usage' });
    await expect(generate({ prompt: 'hi' })).rejects.toMatchObject({ kind: 'usage' });
    await expect(generate({ prompt: 'hi', model: 'nowhere' })).rejects.toMatchObject({ kind: 'io' });
  });

  it('says so when the prompt is longer than the context', async () => {
    const prompt = 'x'.repeat(65);
    await expect(generate({ model: 'base', prompt, raw: true })).rejects.toMatchObject({ kind: 'data', got: '65' });
  });
});

describe('choosing a model', () => {
  it('takes the newest of merged and adapter, else the base; quantized when asked', () => {
    const config = loadConfig(configPath);
    const choose = (model?: string) => chooseModel(config, { model, cwd: dir });
    expect(choose()).toMatchObject({ dir: base, adapter: undefined, tokenizerDir: base });
    expect(() => choose('quantized')).toThrow(/no quantized model/);

    const out = join(dir, 'out');
    mkdirSync(join(out, 'adapter'), { recursive: true });
    writeFileSync(join(out, 'adapter', 'adapter_config.json'), '{}');
    expect(choose()).toMatchObject({ dir: base, adapter: join(out, 'adapter'), stage: 'adapter', tokenizerDir: base });
    expect(choose('base')).toMatchObject({ dir: base, adapter: undefined });

    for (const stage of ['merged', 'quantized']) cpSync(base, join(out, stage), { recursive: true });
    utimesSync(join(out, 'adapter', 'adapter_config.json'), 1, 1);
    expect(choose()).toMatchObject({ dir: join(out, 'merged'), adapter: undefined, tokenizerDir: join(out, 'merged') });
    utimesSync(join(out, 'merged', 'config.json'), 0, 0);
    expect(choose()).toMatchObject({ stage: 'adapter' });
    expect(choose('quantized')).toMatchObject({ dir: join(out, 'quantized') });
    expect(chooseModel(config, { adapter: 'out/adapter', cwd: dir })).toMatchObject({ dir: base, stage: 'base' });
    rmSync(out, { recursive: true });
  });

  it('names it by its stage, and what is no stage so that no two are called the same', () => {
    const config = loadConfig(configPath);
    const folders = ['out/adapter', 'out/merged', 'a/merged', 'b/merged', 'a/lora'];
    for (const folder of folders) mkdirSync(join(dir, folder), { recursive: true });
    const name = (model?: string, adapter?: string) =>
      nameOfChoice(chooseModel(config, { model, adapter, cwd: dir }), config);
    expect(['base', 'merged', 'adapter', 'out/merged', 'base/'].map((model) => name(model))).toEqual([
      'base',
      'merged',
      'adapter',
      'merged',
      'base',
    ]);
    expect(name('base', 'out/adapter')).toBe('adapter');
    expect(name('a/merged')).toMatch(/^merged-[0-9a-f]{8}$/);
    expect(name('base', 'a/lora')).toMatch(/^base\+lora-[0-9a-f]{8}$/);
    const names = ['merged', 'a/merged', 'b/merged'].flatMap((model) => [name(model), name(model, 'a/lora')]);
    expect(new Set(names).size).toBe(6);
    for (const folder of ['out', 'a', 'b']) rmSync(join(dir, folder), { recursive: true });
  });
});
