import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FinetuneOptions, run } from '../../src/commands/finetune.ts';
import { run as merge } from '../../src/commands/merge.ts';
import { loadConfig } from '../../src/config/index.ts';
import type { CommandContext, LlmkitEvent } from '../../src/core/events.ts';
import { prepare } from '../../src/data/prepare.ts';
import { chooseModel } from '../../src/infer/choose-model.ts';
import { openSafetensors } from '../../src/io/safetensors.ts';
import { readManifest } from '../../src/io/manifest.ts';
import { readAdapter } from '../../src/model/adapter.ts';
import { openCheckpoint } from '../../src/model/checkpoint.ts';
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
  max_length: 32
  split: { validation: 2 }
finetune:
  lora: { r: 2, lora_alpha: 4, target_modules: [q_proj, v_proj] }
  learning_rate: 0.01
  max_steps: 4
  per_device_train_batch_size: 2
  save_steps: 2
`;

let dir: string;
let base: string;
let events: LlmkitEvent[] = [];

const context = (): CommandContext => {
  events = [];
  return { emit: (event) => events.push(event), signal: new AbortController().signal, cwd: dir };
};
const configure = (...set: string[]) => loadConfig(join(dir, 'config.yaml'), { set, cwd: dir });

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-finetune-'));
  base = join(dir, 'base');
  const sized = { ...spec, eosTokenIds: [1], bosTokenId: 0, padTokenId: 2 };
  const weights = initWeights(sized, 3, { initializerRange: 0.2 });
  writeCheckpoint(base, sized, (name) => weights.readF32(name), { dtype: 'bfloat16' });
  const specialTokens = ['<bos>', '<eos>', '<pad>'];
  const tokenizer = await trainBpe(['abc'], { vocabSize: 259, specialTokens, pretokenizer: 'gpt2' });
  saveTokenizer(base, tokenizer, { bos: '<bos>', eos: '<eos>', pad: '<pad>' });
  const rows = Array.from({ length: 12 }, (_, i) => JSON.stringify({ text: `a short text, number ${i}` }));
  writeFileSync(join(dir, 'rows.jsonl'), `${rows.join('\n')}\n`);
  writeFileSync(join(dir, 'config.yaml'), CONFIG);
  const config = configure();
  await prepare(config, config.artifact('prepared'), context(), { threads: 1 });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const spec = { ...openFixture('llama-bias').checkpoint.spec, vocabSize: 259 };

/** Fine-tunes in a folder of its own, so that no test sees what another left. */
async function finetune(out: string, options: Omit<FinetuneOptions, 'config'> = {}, ...set: string[]) {
  const config = configure(...set, `output_dir=${out}`);
  const shared = configure();
  const original = config.artifact.bind(config);
  config.artifact = (...names) => (names[0] === 'prepared' ? shared.artifact('prepared') : original(...names));
  const result = await run({ config, engine: 'wasm', ...options }, context());
  return { config, result, artifact: original };
}

describe('finetune --freeze and --full', () => {
  it('write a checkpoint in which what was frozen has its bytes, and the latest model is that', async () => {
    const { config, result, artifact } = await finetune('freeze', { freeze: 1 });
    expect(result).toMatchObject({ ok: true, data: { out: artifact('finetuned') } });
    expect(events.some((event) => event.type === 'warning' && event.where === 'finetune.learning_rate')).toBe(true);
    const [before, after] = [openCheckpoint(base), openCheckpoint(artifact('finetuned'))];
    for (const [name, { dtype }] of before.weights.tensors) {
      expect(after.weights.tensors.get(name)!.dtype).toBe(dtype);
      const same = Buffer.compare(before.weights.read(name), after.weights.read(name)) === 0;
      expect(same, name).toBe(!name.startsWith('model.layers.1.'));
    }
    before.close();
    after.close();
    expect(readManifest(artifact('finetuned')).config).toMatchObject({
      method: 'freeze',
      freeze: { trainable_layers: 1 },
    });
    expect(existsSync(artifact('adapter'))).toBe(false);
    expect(chooseModel(config, { cwd: dir })).toMatchObject({ stage: 'finetuned', adapter: undefined });
  });

  it('train every weight, in the dtype that is asked for', async () => {
    const { artifact } = await finetune('full', { full: true }, 'finetune.save_dtype=float32');
    const [before, after] = [openCheckpoint(base), openCheckpoint(artifact('finetuned'))];
    for (const name of before.weights.tensors.keys()) {
      expect(after.weights.tensors.get(name)!.dtype).toBe('F32');
      expect(after.weights.readF32(name), name).not.toEqual(before.weights.readF32(name));
    }
    before.close();
    after.close();
  });

  it('resume as if they had never stopped', async () => {
    const whole = await finetune('whole', {}, 'finetune.method=freeze', 'finetune.freeze.trainable_layers=1');
    const set = ['finetune.method=freeze', 'finetune.freeze.trainable_layers=1'];
    const stop = new AbortController();
    const stopping: CommandContext = {
      ...context(),
      signal: stop.signal,
      emit: (event) => {
        if (event.type === 'step' && event.stage === 'finetune' && event.current === 3) stop.abort();
      },
    };
    const config = configure(...set, 'output_dir=parts');
    const original = config.artifact.bind(config);
    config.artifact = (...names) => (names[0] === 'prepared' ? configure().artifact('prepared') : original(...names));
    const stopped = await rejection(run({ config, engine: 'wasm' }, stopping));
    expect(stopped.kind).toBe('interrupted');
    const resumed = await finetune('parts', { resume: true }, ...set);
    const [one, other] = [whole, resumed].map(({ artifact }) =>
      openSafetensors(join(artifact('finetuned'), 'model.safetensors')),
    );
    for (const name of one!.tensors.keys()) expect(other!.read(name), name).toEqual(one!.read(name));
    one!.close();
    other!.close();
    // Another method is another run.
    const error = await rejection(finetune('parts', { resume: true, full: true }));
    expect(error).toMatchObject({ kind: 'config', message: expect.stringContaining('another settings') });
  });
});

describe('finetune --lora', () => {
  const everything = [
    'finetune.lora.use_dora=true',
    'finetune.lora.bias=all',
    'finetune.lora.rank_pattern={v_proj: 3}',
    'finetune.lora.modules_to_save=[lm_head]',
    'finetune.lora.init_lora_weights=gaussian',
  ];

  it('with all of its options writes an adapter that merges, verified by its logits', async () => {
    const { config, artifact } = await finetune('dora', {}, ...everything);
    const adapter = readAdapter(artifact('adapter'), spec);
    expect(adapter.lora).toMatchObject({
      useDora: true,
      bias: 'all',
      rankPattern: { v_proj: 3 },
      modulesToSave: ['lm_head'],
    });
    expect(adapter.factors.get('model.layers.0.self_attn.v_proj')!.magnitude).toHaveLength(16);
    expect(adapter.weights.has('lm_head.weight')).toBe(true);
    const merged = await merge({ config, engine: 'wasm', dtype: 'float32' }, context());
    expect(merged).toMatchObject({ ok: true, data: { mergedModules: 4 } });
  });

  it('begins from an adapter with a fresh optimizer, and a resume keeps to it', async () => {
    const first = await finetune('first', {}, ...everything);
    const initAdapter = first.artifact('adapter');
    const again = await finetune('second', { initAdapter });
    expect(events.some((event) => event.type === 'note' && event.message.includes('beginning with the adapter'))).toBe(
      true,
    );
    // Its settings are the adapter's, whatever the config says of LoRA.
    const [before, after] = [initAdapter, again.artifact('adapter')].map((folder) => readAdapter(folder, spec));
    expect(after!.lora).toEqual(before!.lora);
    expect(after!.factors).not.toEqual(before!.factors);
    const losses = [first, again].map(({ result }) => result.data as { firstLoss: number; validationLoss: number });
    expect(losses[1]!.validationLoss).toBeLessThan(losses[0]!.validationLoss);
    expect(readManifest(again.artifact('adapter')).inputs.map(({ path }) => path.split('/').at(-1))).toContain(
      'adapter_model.safetensors',
    );
    // A resumed run is told again what it began with, and held to it.
    const other = await finetune('third', {}, ...everything, 'seed=7');
    const error = await rejection(finetune('second', { initAdapter: other.artifact('adapter'), resume: true }));
    expect(error.message).toContain('another init_adapter');
    await finetune('second', { initAdapter, resume: true });
    expect(readAdapter(again.artifact('adapter'), spec)).toEqual(after);
  });

  it.each<[string, Omit<FinetuneOptions, 'config'>, string[], object]>([
    ['two methods at once', { lora: true, full: true }, [], { kind: 'usage', got: '--lora --full' }],
    ['no block to train', { freeze: 0 }, [], { kind: 'usage', got: '--freeze 0' }],
    ['more blocks than there are', { freeze: 3 }, [], { kind: 'config', expected: 'at most 2' }],
    [
      'an adapter to begin with and no adapter to train',
      { full: true, initAdapter: '/nowhere' },
      [],
      { kind: 'usage' },
    ],
    ['a folder that is no adapter', { initAdapter: '/nowhere' }, [], { kind: 'io' }],
    [
      'a module that is not there',
      {},
      ['finetune.lora.modules_to_save=[wte]'],
      { kind: 'config', where: 'modules_to_save' },
    ],
  ])('refuses %s', async (_what, options, set, expected) => {
    expect(await rejection(finetune('refused', options, ...set))).toMatchObject(expected);
  });
});
