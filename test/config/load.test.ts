import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/index.ts';
import { errorsOf, folderOf } from './helpers.ts';

const head = 'version: 1\noutput_dir: out\n';

function load(text: string, set: string[] = [], env: Record<string, string> = {}) {
  const cwd = folderOf({ 'a.yaml': text });
  return loadConfig('a.yaml', { cwd, set, env });
}

/** Places are written relative to the process's folder; these tests care for the part after the file. */
function errors(text: string, set: string[] = [], env: Record<string, string> = {}): string[] {
  return errorsOf(() => load(text, set, env)).map((line) => line.replaceAll(/\S*\/([\w-]+\.yaml)/g, '$1'));
}

describe('a config file', () => {
  it('gets every default', () => {
    const { config } = load(head);
    expect(config.seed).toBe(42);
    expect(config.finetune.lora).toEqual({
      r: 16,
      lora_alpha: 32,
      lora_dropout: 0,
      target_modules: 'all-linear',
      use_rslora: false,
      use_dora: false,
      init_lora_weights: true,
      bias: 'none',
      ensure_weight_tying: false,
    });
    expect(config.finetune.method).toBe('lora');
    expect(config.finetune.warmup_ratio).toBe(0.03);
    expect(config.pretrain.num_key_value_heads).toBe(config.pretrain.num_attention_heads);
    expect(config.prepare.packing).toBe('best_fit');
    expect(config.prepare.tokenizer).toEqual({ from: 'model' });
    expect(config.quantize.calibration).toEqual({ samples: 128, max_length: 1024, split: 'train' });
    expect(config.eval.tasks).toMatchObject([{ type: 'perplexity' }]);
  });

  it('reads numbers as YAML 1.2 does', () => {
    const { config } = load(`${head}finetune: { learning_rate: 1e-5, lora: { lora_alpha: 0x10 } }\n`);
    expect(config.finetune.learning_rate).toBe(1e-5);
    expect(config.finetune.lora.lora_alpha).toBe(16);
    expect(errors(`${head}prepare: { clean: { control_chars: yes } }\n`)).toEqual([
      'prepare.clean.control_chars has a wrong value | at a.yaml:3:36 prepare.clean.control_chars | expected true or false | got "yes"',
    ]);
  });

  it('hands the top-level seed to the sections that have none', () => {
    const { config } = load(`${head}seed: 7\npretrain: { seed: 8 }\n`);
    expect([config.pretrain.seed, config.finetune.seed, config.generate.seed]).toEqual([8, 7, 7]);
  });

  it('reads percentages as fractions', () => {
    const { config } = load(`${head}eval: { gates: { perplexity: { max_regression: 0.5% } } }\n`);
    expect(config.eval.gates.perplexity?.max_regression).toBeCloseTo(0.005, 12);
  });
});

describe('errors', () => {
  it('name the nearest known key, and come all at once in the order of the file', () => {
    const text = `version: 1
output_dir: out
finetune:
  lora:
    r: 0
    lora_alhpa: 32
  learning_rate: fast
  lr_scheduler_type: cosinus
generat: { temperature: 1 }
quantize:
  temperature: 0.5
  frobnicate: 1
`;
    const found = errors(text);
    expect(found.slice(0, 5)).toEqual([
      'finetune.lora.r has a wrong value | at a.yaml:5:8 finetune.lora.r | expected more than 0 | got 0',
      'unknown key lora_alhpa | at a.yaml:6:5 finetune.lora.lora_alhpa | hint did you mean lora_alpha?',
      'finetune.learning_rate has a wrong value | at a.yaml:7:18 finetune.learning_rate | expected a number | got "fast"',
      'finetune.lr_scheduler_type has a wrong value | at a.yaml:8:22 finetune.lr_scheduler_type | expected cosine | linear | constant_with_warmup | constant | cosine_with_min_lr | warmup_stable_decay | got "cosinus"',
      'unknown key generat | at a.yaml:9:1 generat | hint did you mean generate?',
    ]);
    expect(found[5]).toBe(
      'unknown key temperature | at a.yaml:11:3 quantize.temperature | hint temperature belongs in generate',
    );
    expect(found[6]).toMatch(
      /^unknown key frobnicate \| at a\.yaml:12:3 quantize\.frobnicate \| hint known here: scheme, method, /,
    );
    expect(found).toHaveLength(7);
  });

  it('name missing required keys', () => {
    expect(errors('seed: 1\n')).toEqual([
      'version is missing | at a.yaml:1:1 version | expected 1 | hint add the line: version: 1',
      'output_dir is missing | at a.yaml:1:1 output_dir | expected a text',
    ]);
    expect(errors(`${head}prepare:\n  sources:\n    - { type: text }\n`)).toEqual([
      'prepare.sources.0.path is missing | at a.yaml:5:7 prepare.sources.0.path | expected a text',
    ]);
  });

  it('judge the branch of a union that was meant', () => {
    expect(errors(`${head}prepare:\n  tokenizer: { type: bpe, vocab_size: 10, vocab: 3 }\n`)).toEqual([
      'prepare.tokenizer.vocab_size has a wrong value | at a.yaml:4:39 prepare.tokenizer.vocab_size | expected at least 257 | got 10',
      'unknown key vocab | at a.yaml:4:43 prepare.tokenizer.vocab | hint known here: from, type, vocab_size, pretokenizer, special_tokens, min_frequency, max_token_length',
    ]);
    expect(errors(`${head}finetune: { lora: { target_modules: 3 } }\n`)).toEqual([
      'finetune.lora.target_modules has a wrong value | at a.yaml:3:37 finetune.lora.target_modules | expected a text or a list | got 3',
    ]);
  });

  it('hold rules between keys', () => {
    expect(errors(`${head}finetune: { lr_scheduler_type: constant, warmup_steps: 5 }\n`)).toEqual([
      'the constant schedule has no warmup | at a.yaml:3:32 finetune.lr_scheduler_type | expected constant_with_warmup, or no warmup_steps | got constant and warmup_steps 5',
    ]);
    expect(errors(`${head}finetune: { warmup_ratio: 0.1, warmup_steps: 5 }\n`)).toEqual([
      'warmup_steps and warmup_ratio are both given | at a.yaml:3:46 finetune.warmup_steps | expected one of them | got warmup_ratio 0.1 and warmup_steps 5',
    ]);
    expect(errors(`${head}pretrain: { hidden_size: 100, num_attention_heads: 3 }\n`)[0]).toMatch(
      /^hidden_size does not divide into heads \| at a\.yaml:3:26 pretrain\.hidden_size/,
    );
    // A key that has its default is not missing.
    expect(errors(`${head}pretrain: { num_attention_heads: 7 }\n`)[0]).toMatch(
      /^hidden_size does not divide .* at a\.yaml:3:11 pretrain\.hidden_size \| expected a multiple .* \| got 256$/,
    );
    expect(errors(`${head}prepare: { sources: [{ path: x, type: alpaca, columns: { prompt: q } }] }\n`)).toEqual([
      'columns do not fit type alpaca | at a.yaml:3:56 prepare.sources.0.columns | expected alpaca: instruction, input, output, system, history | got prompt',
    ]);
    expect(errors(`${head}quantize: { scheme: w8a16, group_size: 24 }\n`)[0]).toMatch(
      'expected 16 | 32 | 64 | 128 | 256',
    );
    expect(errors(`${head}eval: { tasks: [{ type: perplexity, window: 1 }] }\n`)[0]).toMatch('expected at least 2');
    expect(errors(`${head}quantize: { percdamp: 1 }\n`)[0]).toMatch('expected less than 1 | got 1');
    expect(errors(`${head}quantize: { group_size: 64 }\n`)[0]).toMatch(/^group_size has no meaning with scheme w8a8/);
  });

  it('say where YAML itself is broken', () => {
    expect(errors(`${head}seed: 1\nseed: 2\n`)).toEqual([
      'the key seed is written twice | at a.yaml:4:1 | hint keep one of them',
    ]);
    expect(errors(`${head}model: { name_or_path: \${BASE}/x }\n`)[0]).toMatch(
      /^not YAML: .* at a\.yaml:3:\d+ .*hint inside \{ \} quote it/,
    );
    expect(errors(`${head}model: [1, 2\n`)[0]).toMatch(/^not YAML: .* \| at a\.yaml:\d+:\d+/);
    expect(errors('just words\n')).toEqual([
      'a config file holds keys and values | at a.yaml:1:1 | expected a map: version, output_dir, ... | got one value',
    ]);
    expect(errors('')).toEqual([
      'a config file holds keys and values | at a.yaml:1:1 | expected a map: version, output_dir, ... | got nothing',
    ]);
  });

  it('say when the file is missing, a folder, or not UTF-8', () => {
    const cwd = folderOf({ 'sub/x.yaml': head });
    expect(errorsOf(() => loadConfig('nowhere.yaml', { cwd }))[0]).toMatch(
      /^there is no such config file \| at .*nowhere\.yaml/,
    );
    expect(errorsOf(() => loadConfig('sub', { cwd }))[0]).toMatch(/^a folder was given/);
  });
});

describe('--set', () => {
  it('overrides the file, values read as YAML, the last one winning', () => {
    const { config } = load(`${head}finetune: { learning_rate: 1e-3, max_steps: 4 }\n`, [
      'finetune.learning_rate=1e-5',
      'finetune.lora.target_modules=[q_proj, v_proj]',
      'finetune.lora.r=4',
      'finetune.lora.r=8',
    ]);
    expect(config.finetune.learning_rate).toBe(1e-5);
    expect(config.finetune.max_steps).toBe(4);
    expect(config.finetune.lora.target_modules).toEqual(['q_proj', 'v_proj']);
    expect(config.finetune.lora.r).toBe(8);
  });

  it('takes the place of a whole map, {} included', () => {
    const text = `${head}eval: { gates: { perplexity: { max: 9 } } }\nfinetune: { lora: { r: 2, lora_alpha: 3 } }\n`;
    const { config } = load(text, ['eval.gates={}', 'finetune.lora={ lora_dropout: 0.1 }', 'finetune.lora.r=8']);
    expect(config.eval.gates).toEqual({});
    expect(config.finetune.lora).toMatchObject({ r: 8, lora_alpha: 32, lora_dropout: 0.1 });
  });

  it('reaches into lists', () => {
    const { config } = load(`${head}prepare: { sources: [{ path: x.txt }, { path: y.txt, type: text }] }\n`, [
      'prepare.sources.1.path=z.txt',
    ]);
    expect(config.prepare.sources.map((source) => [source.path, source.type])).toEqual([
      ['x.txt', 'auto'],
      ['z.txt', 'text'],
    ]);
  });

  it('is named in errors', () => {
    expect(errors(head, ['finetune.lora.r=zero', 'finetune.loar.r=1', 'nonsense', 'seed=[1'])).toEqual([
      '--set does not name a key and a value | at --set nonsense | expected path.to.key=value | hint --set finetune.learning_rate=1e-4',
      expect.stringMatching(/^not YAML: .* \| at --set seed=\[1/),
      'finetune.lora.r has a wrong value | at --set finetune.lora.r=zero | expected a number | got "zero"',
      'unknown key loar | at --set finetune.loar.r=1 | hint did you mean lora?',
    ]);
  });
});

describe('environment variables', () => {
  it('expand, with defaults, and read as YAML when unquoted', () => {
    const text =
      'version: 1\noutput_dir: ${RUNS}/a\nseed: ${SEED}\nmodel: { name_or_path: "${BASE:-models/base}" }\ngenerate: { prompt: "$${RUNS} costs $5" }\n';
    const { config } = load(text, [], { RUNS: 'r', SEED: '9' });
    expect(config.output_dir).toBe('r/a');
    expect(config.seed).toBe(9);
    expect(config.model.name_or_path).toBe('models/base');
    expect(config.generate.prompt).toBe('${RUNS} costs $5');
  });

  it('that are not set are errors at their line', () => {
    expect(errors('version: 1\noutput_dir: ${NOWHERE}/a\n')).toEqual([
      'the environment variable NOWHERE is not set | at a.yaml:2:13 output_dir | hint export NOWHERE=..., or write a default: ${NOWHERE:-...}',
    ]);
  });
});

describe('extends', () => {
  it('merges maps deeply, replaces lists, and keeps each file’s lines', () => {
    const cwd = folderOf({
      'base.yaml': 'version: 1\noutput_dir: out\nfinetune:\n  lora: { r: 4, lora_dropout: 2 }\n  max_steps: 3\n',
      'child.yaml': 'extends: base.yaml\nfinetune:\n  lora: { lora_alpha: 8 }\n',
    });
    expect(errorsOf(() => loadConfig('child.yaml', { cwd }))[0]).toMatch(
      /base\.yaml:4:31 finetune\.lora\.lora_dropout/,
    );
    const { config } = loadConfig('child.yaml', { cwd, set: ['finetune.lora.lora_dropout=0.1'] });
    expect(config.finetune.lora).toMatchObject({ r: 4, lora_alpha: 8, lora_dropout: 0.1 });
    expect(config.finetune.max_steps).toBe(3);
  });

  it('leaves nothing of a map that a file empties, and everything where a file only extends', () => {
    const cwd = folderOf({
      'base.yaml': 'version: 1\noutput_dir: out\neval:\n  gates: { acc: { min: 0.8 } }\n  baseline: b.json\n',
      'child.yaml': 'extends: base.yaml\neval: { gates: {} }\n',
      'same.yaml': 'extends: base.yaml\n',
    });
    expect(loadConfig('child.yaml', { cwd }).config.eval).toMatchObject({ gates: {}, baseline: 'b.json' });
    expect(loadConfig('child.yaml', { cwd }).config.eval.gates).toEqual({});
    expect(loadConfig('same.yaml', { cwd }).config.eval.gates).toEqual({ acc: { min: 0.8 } });
  });

  it('keeps paths relative to the file that wrote them', () => {
    const cwd = folderOf({
      'common/base.yaml':
        'version: 1\noutput_dir: ../runs\nmodel: { name_or_path: ckpt }\nprepare: { chat_template: "{{ x }}" }\n',
      'mine/child.yaml': 'extends: ../common/base.yaml\nprepare: { sources: [{ path: rows.jsonl }] }\n',
    });
    const loaded = loadConfig('mine/child.yaml', { cwd, set: ['eval.baseline=b.json'] });
    expect(loaded.resolvePath(loaded.config.output_dir)).toBe(path.join(cwd, 'runs'));
    expect(loaded.baseModel()).toBe(path.join(cwd, 'common/ckpt'));
    expect(loaded.resolvePath(loaded.config.prepare.sources[0]!.path)).toBe(path.join(cwd, 'mine/rows.jsonl'));
    expect(loaded.resolvePath(loaded.config.eval.baseline!)).toBe(path.join(cwd, 'b.json'));
    expect(loaded.config.prepare.chat_template).toBe('{{ x }}');
    expect(loaded.artifact('adapter')).toBe(path.join(cwd, 'runs/adapter'));
  });

  it('detects circles and missing files', () => {
    const cwd = folderOf({
      'a.yaml': `extends: b.yaml\n${head}`,
      'b.yaml': 'extends: [a.yaml]\n',
      'c.yaml': `${head}extends: nowhere.yaml\n`,
    });
    expect(errorsOf(() => loadConfig('a.yaml', { cwd }))[0]).toMatch(
      /^extends goes round in a circle \| at .*b\.yaml:1:11 extends/,
    );
    expect(errorsOf(() => loadConfig('c.yaml', { cwd }))[0]).toMatch(
      /^extends names a file that is not there \| at .*c\.yaml:3:10 extends/,
    );
  });
});

describe('a loaded config', () => {
  it('has a hash that follows what it means, not how it is written', () => {
    const plain = load(`${head}seed: 42\nfinetune: { lora: { r: 8 } }\n`);
    expect(load(`# a comment\n${head}`, ['finetune.lora.r=8']).hash).toBe(plain.hash);
    expect(load(head).hash).not.toBe(plain.hash);
    expect(plain.hash).toMatch(/^[0-9a-f]{64}$/);
  });

  it('points at keys and at what is missing', () => {
    const loaded = load(`${head}model: {}\n`);
    expect(loaded.where('output_dir')).toMatch(/a\.yaml:2:1 output_dir$/);
    expect(errorsOf(() => loaded.baseModel())[0]).toMatch(
      /^model\.name_or_path is missing \| at .*a\.yaml:3:1 model\.name_or_path/,
    );
  });

  it('survives a thread boundary', () => {
    const loaded = load(head);
    expect(structuredClone(loaded.data)).toEqual(loaded.data);
  });
});
