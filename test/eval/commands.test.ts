import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run as evaluate } from '../../src/commands/eval.ts';
import { run as finetune } from '../../src/commands/finetune.ts';
import { run as prepare } from '../../src/commands/prepare.ts';
import { run as quantize } from '../../src/commands/quantize.ts';
import { loadConfig } from '../../src/config/index.ts';
import type { CommandContext, LlmkitEvent } from '../../src/core/events.ts';
import { readManifest } from '../../src/io/manifest.ts';
import { parseModelConfig } from '../../src/model/config.ts';
import { initWeights } from '../../src/model/init.ts';
import { writeCheckpoint } from '../../src/model/write-checkpoint.ts';
import { isQuantized, openQuantized } from '../../src/quant/compressed-tensors.ts';
import { saveTokenizer, type TokenizerJson } from '../../src/tokenizer/index.ts';
import { checkXml } from './xml.ts';

/** A tiny model with the tokenizer of the lm-eval fixture, random weights large enough to have opinions. */
let dir: string;
let events: LlmkitEvent[] = [];
let context: CommandContext;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-commands-'));
  context = { emit: (event) => events.push(event), signal: new AbortController().signal, cwd: dir };
  const golden = JSON.parse(readFileSync(new URL('../golden/eval/lm_eval.json', import.meta.url), 'utf8')) as {
    tokenizer: TokenizerJson;
  };
  const raw = JSON.parse(
    readFileSync(new URL('../golden/decoder/llama-gqa-tied/config.json', import.meta.url), 'utf8'),
  ) as Record<string, unknown>;
  const sizes = {
    vocab_size: 320,
    hidden_size: 64,
    intermediate_size: 96,
    eos_token_id: 0,
    bos_token_id: null,
    pad_token_id: null,
  };
  const { spec } = parseModelConfig({ ...raw, ...sizes, head_dim: 16 }, 'config.json');
  const base = join(dir, 'base');
  mkdirSync(base);
  const weights = initWeights(spec, 1, { initializerRange: 0.2 });
  writeCheckpoint(base, spec, (name) => weights.readF32(name), { dtype: 'bfloat16' });
  saveTokenizer(base, golden.tokenizer, { eos: '<|end|>' });
  const words = 'the sky is blue and water is wet so a short page of many words may hold one or two of them'.split(' ');
  const rows = Array.from({ length: 60 }, (_, i) => ({
    text: Array.from({ length: 6 }, (_, j) => words[(i * 5 + j * (i % 7)) % words.length]).join(' ') + ` ${i}`,
  }));
  writeFileSync(join(dir, 'train.jsonl'), rows.map((row) => JSON.stringify(row)).join('\n'));
  writeFileSync(
    join(dir, 'intents.jsonl'),
    ['blue', 'wet', 'blue', 'wet'].map((intent, i) => JSON.stringify({ prompt: `water ${i}`, intent })).join('\n'),
  );
  writeFileSync(
    join(dir, 'c.yaml'),
    `version: 1
output_dir: out
model: { name_or_path: base }
prepare: { sources: [{ path: train.jsonl }], max_length: 48, split: { validation: 0.2 } }
quantize: { calibration: { samples: 8, max_length: 48 } }
eval:
  tasks: [perplexity, { type: intents, path: intents.jsonl }]
  gates: { perplexity: { max_regression: 5% }, acc: { min: 0 } }
`,
  );
  await prepare({ config: config() }, context);
});
afterAll(() => rmSync(dir, { recursive: true }));

function config(...set: string[]): ReturnType<typeof loadConfig> {
  return loadConfig(join(dir, 'c.yaml'), { set });
}
const cacheDir = (): string => join(dir, 'onnx');

describe('quantize', () => {
  it('leaves a checkpoint, a report of every layer, and a manifest', async () => {
    events = [];
    const result = await quantize({ config: config(), engine: 'wasm' }, context);
    const out = join(dir, 'out/quantized');
    expect(result).toMatchObject({
      ok: true,
      data: { scheme: 'w8a8', method: 'gptq', calibration_rows: 8, fallback_layers: 0 },
    });
    expect(result.tables![0]!.rows).toHaveLength(7);
    expect(events.filter(({ type }) => type === 'step').at(-1)).toMatchObject({ current: 14, total: 14 });
    expect(readdirSync(out).sort()).toEqual(
      [
        'config.json',
        'generation_config.json',
        'manifest.json',
        'model.safetensors',
        'report.json',
        'special_tokens_map.json',
        'tokenizer.json',
        'tokenizer_config.json',
      ].filter((name) => existsSync(join(out, name))),
    );
    const report = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')) as {
      layers: { error: number; rtnError: number }[];
    };
    expect(report.layers).toHaveLength(14);
    for (const { error, rtnError } of report.layers) expect(error).toBeLessThan(rtnError);
    const manifest = readManifest(out);
    expect(manifest.command).toBe('quantize');
    expect(manifest.outputs.map(({ path }) => path)).toContain('model.safetensors');
    expect(manifest.engine).toContain('wasm');
  });

  it('gives the same bytes again', async () => {
    const first = readFileSync(join(dir, 'out/quantized/model.safetensors'));
    await quantize({ config: config(), engine: 'wasm', out: join(dir, 'again') }, context);
    expect(Buffer.compare(readFileSync(join(dir, 'again/model.safetensors')), first)).toBe(0);
  });

  it('takes scheme and method from flags, and rounds without data', async () => {
    const out = join(dir, 'rtn');
    const result = await quantize(
      { config: config('output_dir=elsewhere'), scheme: 'w8a16', method: 'rtn', out },
      context,
    );
    expect(result.data).toMatchObject({ scheme: 'w8a16', method: 'rtn', calibration_tokens: 0, mean_error: null });
    const opened = openQuantized(out);
    expect(opened.scheme).toEqual({ scheme: 'w8a16', groupSize: 32, actorder: 'none' });
    opened.close();
  });

  it('says what is missing, and leaves nothing half-written', async () => {
    await expect(quantize({ config: config('output_dir=elsewhere') }, context)).rejects.toMatchObject({
      kind: 'io',
      message: expect.stringMatching(/prepared data/),
    });
    const flags = { scheme: 'w8a16', method: 'rtn', out: join(dir, 'none') } as const;
    await expect(
      quantize({ config: config('quantize.scheme=w8a16', 'quantize.group_size=128'), ...flags }, context),
    ).rejects.toMatchObject({ kind: 'config' });
    expect(readdirSync(dir).filter((name) => name.includes('none'))).toEqual([]);
  });

  it('calibrates on no ids of another tokenizer, and eval and finetune use none', async () => {
    const own = readFileSync(join(dir, 'base/tokenizer.json'), 'utf8');
    const json = JSON.parse(own) as TokenizerJson;
    json.model.merges.reverse();
    writeFileSync(join(dir, 'base/tokenizer.json'), JSON.stringify(json));
    const refused = {
      kind: 'data',
      where: join(dir, 'out/prepared/tokenizer/tokenizer.json'),
      expected: expect.stringContaining(join(dir, 'base/tokenizer.json')),
      got: 'other merges',
    };
    const options = { config: config(), model: 'base', cacheDir: cacheDir() };
    await expect(quantize({ ...options, out: join(dir, 'other') }, context)).rejects.toMatchObject(refused);
    await expect(evaluate({ ...options, out: join(dir, 'other') }, context)).rejects.toMatchObject(refused);
    await expect(finetune({ config: config(), engine: 'wasm' }, context)).rejects.toMatchObject(refused);
    writeFileSync(join(dir, 'base/tokenizer.json'), own);
  });

  it('refuses to quantize what is quantized', async () => {
    expect(isQuantized(join(dir, 'out/quantized'))).toBe(true);
    const flags = { config: config(), model: 'quantized', method: 'rtn' } as const;
    await expect(quantize({ ...flags, out: join(dir, 'twice') }, context)).rejects.toMatchObject({
      where: expect.stringMatching(/quantization_config/),
    });
    await expect(quantize(flags, context)).rejects.toThrow(/would replace its own input/);
    expect(isQuantized(join(dir, 'out/quantized'))).toBe(true);
  });
});

describe('eval', () => {
  it('takes a baseline of the base model', async () => {
    const result = await evaluate(
      { config: config(), model: 'base', updateBaseline: true, baseline: 'baseline.json', cacheDir: cacheDir() },
      context,
    );
    expect(result).toMatchObject({ ok: true, summary: 'PASS: 1 of 1 gate checks' });
    expect(existsSync(join(dir, 'baseline.json'))).toBe(true);
    expect(readdirSync(join(dir, 'out/eval/base')).sort()).toEqual([
      'baseline.json',
      'junit.xml',
      'manifest.json',
      'report.md',
      'results.json',
      'samples_intents.jsonl',
      'samples_perplexity.jsonl',
    ]);
  });

  it('holds the quantized model against it, and tells CI', async () => {
    const options = {
      config: config(),
      model: 'quantized',
      baseline: 'out/eval/base',
      junit: 'ci/junit.xml',
      cacheDir: cacheDir(),
    };
    mkdirSync(join(dir, 'ci'));
    process.env['GITHUB_STEP_SUMMARY'] = join(dir, 'ci/summary.md');
    const result = await evaluate({ ...options, githubSummary: true }, context);
    delete process.env['GITHUB_STEP_SUMMARY'];
    expect(result).toMatchObject({ ok: true, summary: 'PASS: 2 of 2 gate checks' });
    const xml = checkXml(readFileSync(join(dir, 'ci/junit.xml'), 'utf8'));
    expect(xml[0]!.attributes).toMatchObject({ failures: '0' });
    expect(readFileSync(join(dir, 'ci/summary.md'), 'utf8')).toMatch(/PASS/);
    const results = JSON.parse(readFileSync(join(dir, 'out/eval/quantized/results.json'), 'utf8')) as {
      results: Record<string, Record<string, number>>;
    };
    expect(results.results['perplexity']!['perplexity,none']).toBeGreaterThan(1);
  });

  it('fails when a bound is not held, with annotations', async () => {
    events = [];
    const strict = config('eval.gates.perplexity.max=1.5');
    const result = await evaluate(
      { config: strict, model: 'quantized', baseline: 'baseline.json', githubSummary: true, cacheDir: cacheDir() },
      context,
    );
    expect(result.ok).toBe(false);
    expect(result.summary).toMatch(/^FAIL: 1 of 3 gate checks: perplexity .* is not at most 1.500/);
    expect(events.filter(({ type }) => type === 'text')).toEqual([
      { type: 'text', text: expect.stringMatching(/^::error title=llmkit gate perplexity max::/) },
    ]);
    expect(events.find(({ type }) => type === 'warning')).toMatchObject({
      message: expect.stringMatching(/GITHUB_STEP_SUMMARY/),
    });
  });

  it('fails closed without a baseline, and says which task names clash', async () => {
    const result = await evaluate({ config: config(), model: 'base', cacheDir: cacheDir() }, context);
    expect(result.ok).toBe(false);
    expect(result.summary).toMatch(/no baseline/);
    await expect(
      evaluate({ config: config(), model: 'base', baseline: 'nowhere.json', cacheDir: cacheDir() }, context),
    ).rejects.toMatchObject({ kind: 'io' });
    const twice = config('eval.tasks=[perplexity, perplexity]');
    await expect(evaluate({ config: twice, model: 'base' }, context)).rejects.toMatchObject({
      kind: 'config',
      message: 'two tasks are called perplexity',
    });
  });

  it('names in its manifest everything that the figures depend on', async () => {
    await evaluate({ config: config(), model: 'base', cacheDir: cacheDir() }, context);
    const inputs = (name: string): string[] =>
      readManifest(join(dir, 'out/eval', name)).inputs.map(({ path }) => relative(dir, path));
    expect(inputs('base')).toEqual([
      'base/model.safetensors',
      'base/config.json',
      'base/tokenizer.json',
      'out/prepared/manifest.json',
      'intents.jsonl',
    ]);
    expect(inputs('quantized')).toContain('out/quantized/manifest.json');
    expect(inputs('quantized')).toContain('baseline.json');
  });

  it('never replaces its own baseline, or a folder that no eval left', async () => {
    const options = { config: config('eval.gates.perplexity.max=1.5'), model: 'base', cacheDir: cacheDir() };
    const own = join(dir, 'out/eval/base/baseline.json');
    const before = readFileSync(own, 'utf8');
    for (const baseline of ['out/eval/base', own]) {
      await expect(evaluate({ ...options, baseline }, context)).rejects.toMatchObject({
        kind: 'usage',
        message: expect.stringMatching(/replace its own input/),
      });
    }
    expect(readFileSync(own, 'utf8')).toBe(before);
    mkdirSync(join(dir, 'notes'));
    writeFileSync(join(dir, 'notes/thesis.tex'), '');
    for (const out of ['notes', 'out/quantized', 'base', '.']) {
      await expect(evaluate({ ...options, out: join(dir, out) }, context)).rejects.toMatchObject({
        kind: 'usage',
        where: join(dir, out),
      });
    }
    expect(existsSync(join(dir, 'notes/thesis.tex'))).toBe(true);
    expect(isQuantized(join(dir, 'out/quantized'))).toBe(true);
  });

  it('gives the same results again', async () => {
    const read = (): string[] =>
      ['results.json', 'baseline.json', 'samples_intents.jsonl'].map((name) =>
        readFileSync(join(dir, 'out/eval/base', name), 'utf8'),
      );
    const first = read();
    await evaluate({ config: config(), model: 'base', cacheDir: cacheDir() }, context);
    expect(read()).toEqual(first);
  });
});
