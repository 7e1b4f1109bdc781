import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/index.ts';
import { errorsOf, folderOf } from './helpers.ts';

const load = (section: string) =>
  loadConfig(path.join(folderOf({ 'a.yaml': `version: 1\noutput_dir: out\nfinetune: ${section}\n` }), 'a.yaml'));
const errors = (section: string): string[] =>
  errorsOf(() => load(section)).map((line) => line.replace(/at \S*a\.yaml/, 'at a.yaml'));

describe('schedules', () => {
  it('take the arguments that transformers gives them', () => {
    const kwargs = '{ num_decay_steps: 20, decay_type: 1-sqrt, min_lr_ratio: 0.1 }';
    const { finetune } = load(`{ lr_scheduler_type: warmup_stable_decay, lr_scheduler_kwargs: ${kwargs} }`).config;
    expect(finetune.lr_scheduler_kwargs).toEqual({ num_decay_steps: 20, decay_type: '1-sqrt', min_lr_ratio: 0.1 });
    expect(load('{}').config.finetune.lr_scheduler_kwargs).toEqual({});
  });

  it('refuse the arguments of another, two for one thing, and an end above the peak', () => {
    expect(errors('{ lr_scheduler_kwargs: { min_lr_rate: 0.1 } }')).toEqual([
      'min_lr_rate says nothing to the cosine schedule | at a.yaml:3:49 finetune.lr_scheduler_kwargs.min_lr_rate | expected no arguments | got 0.1',
    ]);
    expect(errors('{ lr_scheduler_type: cosine_with_min_lr }')).toEqual([
      expect.stringMatching(/^cosine_with_min_lr has no end .* expected lr_scheduler_kwargs: \{ min_lr_rate: 0.1 \}/),
    ]);
    const kwargs = '{ min_lr_rate: 0.1, min_lr: 1 }';
    expect(errors(`{ lr_scheduler_type: cosine_with_min_lr, lr_scheduler_kwargs: ${kwargs} }`)).toEqual([
      expect.stringMatching(/^min_lr and min_lr_rate are both given/),
      expect.stringMatching(/^min_lr is above the peak .* expected at most 0.0002 \| got 1/),
    ]);
  });
});

describe('choosing the best step', () => {
  it.each(['load_best_model_at_end: true', 'early_stopping_patience: 2'])('needs validations on the way: %s', (key) => {
    expect(errors(`{ ${key} }`)).toEqual([
      expect.stringMatching(/needs a validation now and then .* got no eval_steps$/),
    ]);
    load(`{ ${key}, eval_steps: 10 }`);
  });
});
