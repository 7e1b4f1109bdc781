import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { run as finetune } from '../../src/commands/finetune.ts';
import { run as plan } from '../../src/commands/plan.ts';
import { run as pretrain } from '../../src/commands/pretrain.ts';
import { loadConfig } from '../../src/config/index.ts';
import type { CommandContext, LlmkitEvent } from '../../src/core/events.ts';
import { prepare } from '../../src/data/prepare.ts';
import { initWeights } from '../../src/model/init.ts';
import { writeCheckpoint } from '../../src/model/write-checkpoint.ts';
import { saveTokenizer, trainBpe } from '../../src/tokenizer/index.ts';
import { openFixture } from '../support/decoder-fixture.ts';
import { rejection } from '../support/failure.ts';

const CONFIG = `version: 1
output_dir: out
model: { name_or_path: base }
prepare:
  sources: [{ path: rows.jsonl, type: text }]
  max_length: 64
  split: { validation: 2 }
pretrain: { hidden_size: 16, intermediate_size: 32, num_hidden_layers: 3, num_attention_heads: 2, max_steps: 2 }
finetune:
  lora: { r: 2, target_modules: [q_proj] }
  max_steps: 4
  per_device_train_batch_size: 4
  logging_steps: 1
`;

let dir: string;
let events: LlmkitEvent[] = [];
const context = (): CommandContext => ({
  emit: (event) => events.push(event),
  signal: new AbortController().signal,
  cwd: dir,
});
const config = (...set: string[]) => loadConfig(join(dir, 'config.yaml'), { set, cwd: dir });
const out = (...names: string[]): string => join(dir, 'out', ...names);

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-plan-'));
  const spec = {
    ...openFixture('llama-bias').checkpoint.spec,
    vocabSize: 259,
    eosTokenIds: [1],
    bosTokenId: 0,
    padTokenId: 2,
  };
  const weights = initWeights(spec, 3, { initializerRange: 0.2 });
  const base = join(dir, 'base');
  writeCheckpoint(base, spec, (name) => weights.readF32(name), { dtype: 'bfloat16' });
  const tokenizer = await trainBpe(['abc'], {
    vocabSize: 259,
    specialTokens: ['<bos>', '<eos>', '<pad>'],
    pretokenizer: 'gpt2',
  });
  saveTokenizer(base, tokenizer, { bos: '<bos>', eos: '<eos>', pad: '<pad>' });
  const rows = Array.from({ length: 40 }, (_, i) => JSON.stringify({ text: `a short text, number ${i}` }));
  writeFileSync(join(dir, 'rows.jsonl'), `${rows.join('\n')}\n`);
  writeFileSync(join(dir, 'config.yaml'), CONFIG);
  await prepare(config(), out('prepared'), context(), { threads: 1 });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));
beforeEach(() => (events = []));

interface Planned {
  data: { totalSteps: number; tokens: number; targets: number };
  peak: { peakBytes: number; parts: Record<string, number> };
  time: { seconds: number; shapes: object[] };
}

describe('plan', () => {
  it('says what finetune will take, and the run compares', async () => {
    const planned = await plan({ config: config(), engine: 'wasm' }, context());
    const { data, peak, time } = planned.data as unknown as Planned;
    expect(planned).toMatchObject({
      ok: true,
      data: { stage: 'finetune' },
      next: expect.stringContaining('llmkit finetune'),
    });
    expect(planned.tables!.map(({ columns }) => columns[0]!.name)).toEqual(['plan', 'memory', 'micro-batches']);
    const total = Object.values(peak.parts).reduce((sum, bytes) => sum + bytes, 0);
    expect(peak.peakBytes).toBeCloseTo(total, 0);
    expect(time.seconds).toBeGreaterThan(0);
    expect(existsSync(out('adapter'))).toBe(false);

    const { data: ran } = await finetune({ config: config(), engine: 'wasm' }, context());
    expect(ran).toMatchObject({ totalSteps: data.totalSteps, tokens: data.tokens, targets: data.targets });
    const report = JSON.parse(readFileSync(out('reports/finetune/report.json'), 'utf8')) as { predicted: object };
    expect(report.predicted).toMatchObject({ steps: 4, tokens: data.tokens, seconds: time.seconds });
    expect(readFileSync(out('reports/finetune/report.html'), 'utf8')).toContain('Predicted and measured');
    expect(readdirSync(out('tensorboard/finetune'))).toHaveLength(1);
  });

  it('plans pretraining, the whole model and its last block', async () => {
    const trained = async (options: object, stage?: string): Promise<number> => {
      const { data } = await plan(
        { config: config(), engine: 'wasm', ...(stage === undefined ? {} : { stage }), ...options },
        context(),
      );
      return (data as unknown as Planned).peak.parts['trainedWeights']!;
    };
    const [adapter, block, whole] = [await trained({}), await trained({ freeze: 1 }), await trained({ full: true })];
    expect(adapter).toBeLessThan(block);
    expect(block).toBeLessThan(whole);
    expect(await trained({}, 'pretrain')).toBeGreaterThan(0);
  });

  it('knows no other stage, and no other sizes than bytes', async () => {
    expect(await rejection(plan({ config: config(), stage: 'merge' }, context()))).toMatchObject({ kind: 'usage' });
    expect(await rejection(plan({ config: config(), maxMemory: 'much' }, context()))).toMatchObject({
      kind: 'usage',
      got: 'much',
    });
  });
});

describe('--max-memory', () => {
  it('refuses a run that would take more before it begins', async () => {
    const refused = await rejection(finetune({ config: config(), engine: 'wasm', maxMemory: '1MB' }, context()));
    expect(refused).toMatchObject({ kind: 'config', where: '--max-memory', expected: 'at most 1.00 MB' });
    expect(refused).toMatchObject({ hint: expect.stringContaining('take a smaller model') });
    expect(events.some(({ type }) => type === 'step')).toBe(false);
  });
});

describe('sample_prompts', () => {
  it('are answered with every validation, alike in two runs, by the weights of the moment', async () => {
    const samples = async (...set: string[]): Promise<{ step: number; text: string }[]> => {
      const prompts = [
        'finetune.sample_prompts=["a short"]',
        'finetune.sample_max_new_tokens=8',
        'finetune.eval_steps=2',
      ];
      await finetune({ config: config(...prompts, 'finetune.learning_rate=0.5', ...set), engine: 'wasm' }, context());
      return (
        JSON.parse(readFileSync(out('reports/finetune/report.json'), 'utf8')) as {
          samples: { step: number; text: string }[];
        }
      ).samples;
    };
    const first = await samples();
    expect(first.map(({ step }) => step)).toEqual([2, 4]);
    expect(await samples()).toEqual(first);
    const other = await samples('finetune.learning_rate=1e-9');
    expect(other.map(({ text }) => text)).not.toEqual(first.map(({ text }) => text));
    expect(events.some((event) => event.type === 'note' && event.message.startsWith('step 2, "a short": '))).toBe(true);
  });

  it('are answered in pretraining, too', async () => {
    await pretrain(
      { config: config('pretrain.sample_prompts=["a"]', 'pretrain.sample_max_new_tokens=2'), engine: 'wasm' },
      context(),
    );
    expect(JSON.parse(readFileSync(out('reports/pretrain/report.json'), 'utf8'))).toMatchObject({
      samples: [{ step: 2, prompt: 'a' }],
    });
  });
});
