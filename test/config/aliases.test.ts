import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/index.ts';
import { errorsOf, folderOf } from './helpers.ts';

const head = 'version: 1\noutput_dir: out\n';

function load(text: string, set: string[] = []) {
  const loaded = loadConfig('a.yaml', { cwd: folderOf({ 'a.yaml': head + text }), set, env: {} });
  return { config: loaded.config, notes: loaded.notes.map((note) => note.replace(/\(\S*a\.yaml/, '(a.yaml')) };
}

describe('other tools’ spellings', () => {
  it('of LLaMA-Factory map, flat as it writes them', () => {
    const { config, notes } = load(
      'model_name_or_path: m\nlora_rank: 8\nlora_target: all\ncutoff_len: 512\nval_size: 0.1\nlearning_rate: 1e-4\nbf16: true\n',
    );
    expect(config.model.name_or_path).toBe('m');
    expect(config.finetune.lora).toMatchObject({ r: 8, target_modules: 'all-linear' });
    expect(config.prepare.max_length).toBe(512);
    expect(config.prepare.split.validation).toBe(0.1);
    expect(config.finetune).toMatchObject({ learning_rate: 1e-4, precision: 'bf16' });
    expect(notes).toContain('mapped lora_rank -> finetune.lora.r (a.yaml:4:1)');
    expect(notes).toContain('mapped lora_target -> finetune.lora.target_modules: all -> all-linear (a.yaml:5:1)');
    expect(notes).toHaveLength(7);
  });

  it('of methods other than LoRA map', () => {
    const { config } = load(
      'finetuning_type: freeze\nfreeze_trainable_layers: 3\nfreeze_extra_modules: embed_tokens,norm\n' +
        'adapter_name_or_path: old\nadditional_target: lm_head\nuse_dora: true\nlora_target: .*\\.[qv]_proj\n',
    );
    expect(config.finetune).toMatchObject({
      method: 'freeze',
      freeze: { trainable_layers: 3, extra_modules: ['embed_tokens', 'norm'] },
      init_adapter: 'old',
      // An expression is no list of names.
      lora: { modules_to_save: ['lm_head'], use_dora: true, target_modules: '.*\\.[qv]_proj' },
    });
  });

  it('of axolotl map', () => {
    const { config } = load(
      'base_model: m\nfinetune: { lora_r: 4, lora_target_modules: "q_proj, v_proj", micro_batch_size: 2, num_epochs: 3 }\n' +
        'prepare: { sequence_len: 64, sample_packing: true, train_on_inputs: true, excess_length_strategy: raise }\n',
    );
    expect(config.finetune.lora).toMatchObject({ r: 4, target_modules: ['q_proj', 'v_proj'] });
    expect(config.finetune).toMatchObject({ per_device_train_batch_size: 2, num_train_epochs: 3 });
    expect(config.prepare).toMatchObject({ max_length: 64, packing: 'best_fit', train_on: 'all', overlength: 'error' });
  });

  it('of TRL and mlx-lm map', () => {
    const { config, notes } = load(
      'model: m\niters: 10\nlora_parameters: { rank: 4, dropout: 0.1 }\nprepare: { completion_only_loss: false, packing: false }\n' +
        'pretrain: { batch_size: 3, grad_checkpoint: true }\n',
    );
    expect(config.model.name_or_path).toBe('m');
    expect(config.finetune.max_steps).toBe(10);
    expect(config.finetune.lora).toMatchObject({ r: 4, lora_dropout: 0.1 });
    expect(config.prepare).toMatchObject({ train_on: 'all', packing: 'none' });
    expect(config.pretrain).toMatchObject({ per_device_train_batch_size: 3, memory: 'layer' });
    expect(notes).toContain('mapped prepare.packing: false -> none (a.yaml:6:41)');
  });

  it('work in --set', () => {
    const { config, notes } = load('finetune: { lora: { r: 2 } }\n', ['finetune.lora_rank=32']);
    expect(config.finetune.lora.r).toBe(32);
    expect(notes).toEqual(['mapped finetune.lora_rank -> finetune.lora.r (--set finetune.lora_rank=32)']);
  });

  it('beside the key they stand for are an error', () => {
    const found = errorsOf(() => load('finetune:\n  lora: { r: 8 }\n  lora_rank: 8\n'));
    expect(found.map((line) => line.replaceAll(/[^\s(]*\/(a\.yaml)/g, '$1'))).toEqual([
      'finetune.lora_rank is another name of finetune.lora.r, which is given too | at a.yaml:5:3 finetune.lora_rank' +
        ' | expected one of them | got finetune.lora_rank and finetune.lora.r (a.yaml:4:11) | hint keep finetune.lora.r',
    ]);
  });

  it('keep the place they were written at for later errors', () => {
    const [found] = errorsOf(() => load('lora_rank: many\n'));
    expect(found).toMatch(/^finetune\.lora\.r has a wrong value \| at \S*a\.yaml:3:12 finetune\.lora\.r/);
  });
});
