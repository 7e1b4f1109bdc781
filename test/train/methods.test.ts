import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chooseEngine } from '../../src/engine/tf/index.ts';
import type { TfEngine } from '../../src/engine/tf/index.ts';
import { Random } from '../../src/core/random.ts';
import type { LoraSettings } from '../../src/model/lora.ts';
import type { TrainingRow } from '../../src/train/batches.ts';
import { freezeMethod, fullMethod, loraMethod, type Method } from '../../src/train/methods.ts';
import { weightsOf } from '../../src/train/programs.ts';
import { Trainer } from '../../src/train/trainer.ts';
import { initLora } from '../../src/train/weights.ts';
import { ADAPTER_FIXTURES, ADAPTERS, openAdapterFixture } from '../support/adapter-fixture.ts';
import { type DecoderFixture, openFixture, type TrainingRun } from '../support/decoder-fixture.ts';
import { engines } from '../support/engines.ts';
import { failure } from '../support/failure.ts';

const LENGTH = 16;
const settings: LoraSettings = { r: 4, alpha: 8, dropout: 0, useRslora: false, targetModules: ['q_proj', 'v_proj'] };

function rowsOf(fixture: DecoderFixture): TrainingRow[] {
  const [ids, labels] = [fixture.tensor('steps.input_ids'), fixture.tensor('steps.labels')];
  return Array.from({ length: ids.length / LENGTH }, (_, i) => ({
    inputIds: ids.subarray(i * LENGTH, (i + 1) * LENGTH),
    labels: labels.subarray(i * LENGTH, (i + 1) * LENGTH),
    seqLengths: [LENGTH],
  }));
}

const graphOf = (fixture: DecoderFixture, method: Method, matrixDType: 'f32' | 'bf16' = 'f32') => ({
  spec: fixture.checkpoint.spec,
  lora: method.lora,
  trains: method.trains,
  matrixDType,
  memory: 'none' as const,
});

function trainer(
  engine: TfEngine,
  fixture: DecoderFixture,
  method: Method,
  matrixDType: 'f32' | 'bf16' = 'f32',
): Trainer {
  const graph = graphOf(fixture, method, matrixDType);
  return new Trainer({
    ...graph,
    engine,
    source: fixture.checkpoint.weights,
    initial: method.initial(weightsOf({ ...graph, accumulate: false })),
    adamw: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 0 },
    batch: 2,
    accumulation: 1,
    maxLength: LENGTH,
    seed: 1,
  });
}

function follows(run: Trainer, fixture: DecoderFixture, steps: TrainingRun, tolerance = 1e-3): void {
  const rows = rowsOf(fixture);
  steps.losses.forEach((expected, step) => {
    const { loss } = run.step([rows.slice(step * 2, step * 2 + 2)], 0.01);
    expect(Math.abs(loss / expected - 1), `loss of step ${step}`).toBeLessThan(tolerance);
  });
}

describe.each(engines)('methods on the %s engine', (kind) => {
  let engine: TfEngine;
  beforeAll(async () => {
    engine = await chooseEngine({ engine: kind });
  });
  afterAll(() => engine.dispose());

  it.each(ADAPTERS)("%s: twenty steps from PEFT's adapter have the losses of PEFT with torch AdamW", (name) => {
    const { base, adapter, expected } = openAdapterFixture(name);
    const { spec, weights: source } = base.checkpoint;
    const method = loraMethod({ spec, source }, adapter.lora, { seed: 1, from: adapter });
    const run = trainer(engine, base, method);
    follows(run, base, expected.steps);
    run.dispose();
  });

  it('DoRA with dropout is DoRA where hardly anything is dropped', () => {
    const { base, adapter, expected } = openAdapterFixture('dora');
    const of = { spec: base.checkpoint.spec, source: base.checkpoint.weights };
    const lora = { ...adapter.lora, dropout: 1e-7 };
    const run = trainer(engine, base, loraMethod(of, lora, { seed: 1, from: adapter }));
    follows(run, base, expected.steps);
    run.dispose();
    const half = trainer(engine, base, loraMethod(of, { ...lora, dropout: 0.5 }, { seed: 1, from: adapter }));
    const rows = rowsOf(base).slice(0, 2);
    const plain = half.evaluate(rows);
    expect(half.step([rows], 0.01).loss).not.toBeCloseTo(plain.lossSum / plain.targets, 2);
    half.dispose();
  });

  const frozen = JSON.parse(readFileSync(`${ADAPTER_FIXTURES}freeze.json`, 'utf8')) as {
    trained: string[];
    steps: TrainingRun;
  };

  it('freeze: twenty steps of the last block have the losses of transformers', () => {
    const fixture = openFixture('llama-gqa');
    const { spec, weights: source } = fixture.checkpoint;
    const method = freezeMethod({ spec, source }, { trainableLayers: 1, extraModules: [] });
    const run = trainer(engine, fixture, method);
    expect(run.trained.map(({ name }) => name).sort()).toEqual(frozen.trained);
    follows(run, fixture, frozen.steps);
    run.dispose();
  });

  it("full: every weight is trained, from the base's values", () => {
    const fixture = openFixture('llama-gqa');
    const run = trainer(engine, fixture, fullMethod(fixture.checkpoint.weights));
    expect(run.trained).toHaveLength(Object.keys(fixture.weights).length);
    expect(run.readTrained().get('lm_head.weight')).toEqual(fixture.weights['lm_head.weight']);
    run.dispose();
  });

  it.runIf(kind === 'native')('DoRA and freeze in bf16 follow fp32 to within the precision of bf16', () => {
    const { base, adapter, expected } = openAdapterFixture('dora');
    const of = { spec: base.checkpoint.spec, source: base.checkpoint.weights };
    const dora = trainer(engine, base, loraMethod(of, adapter.lora, { seed: 1, from: adapter }), 'bf16');
    follows(dora, base, expected.steps, 2e-2);
    dora.dispose();
    const plain = openFixture('llama-gqa');
    const whole = { spec: plain.checkpoint.spec, source: plain.checkpoint.weights };
    const last = trainer(engine, plain, freezeMethod(whole, { trainableLayers: 1, extraModules: [] }), 'bf16');
    follows(last, plain, frozen.steps, 2e-2);
    last.dispose();
  });
});

describe('a fresh adapter', () => {
  const fixture = openFixture('llama-gqa');
  const base = { spec: fixture.checkpoint.spec, source: fixture.checkpoint.weights };

  it("begins as the base: DoRA's magnitudes are its rows' lengths, modules_to_save its weights", () => {
    const lora = { ...settings, useDora: true, modulesToSave: ['lm_head'] };
    const method = loraMethod(base, lora, { seed: 1 });
    const values = method.initial(weightsOf({ ...graphOf(fixture, method), accumulate: false }));
    const q = fixture.weights['model.layers.0.self_attn.q_proj.weight']!;
    const magnitude = values.get('model.layers.0.self_attn.q_proj.lora_magnitude_vector')!;
    expect(magnitude[3]).toBeCloseTo(Math.hypot(...q.subarray(3 * 32, 4 * 32)), 6);
    expect(values.get('lm_head.weight')).toEqual(fixture.weights['lm_head.weight']);
    expect(values.get('model.layers.0.self_attn.q_proj.lora_B.weight')!.every((x) => x === 0)).toBe(true);
  });

  it('draws A uniformly in +-1/sqrt(in), or normally with deviation 1/r', () => {
    const weights = [{ name: 'm.lora_A.weight', shape: [8, 900], dtype: 'f32' as const, trained: true }];
    const uniform = initLora(weights, 1).get('m.lora_A.weight')!;
    const normal = initLora(weights, 1, { gaussian: true }).get('m.lora_A.weight')!;
    const deviation = (values: Float32Array): number =>
      Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);
    expect(Math.max(...uniform.map(Math.abs))).toBeLessThan(1 / 30);
    expect(deviation(uniform) * 30).toBeCloseTo(1 / Math.sqrt(3), 1);
    expect(deviation(normal)).toBeCloseTo(1 / 8, 2);
    expect(Math.max(...normal)).toBeGreaterThan(2.5 / 8);
    expect(new Random(1).fork('m.lora_A.weight').normal() / 8).toBeCloseTo(normal[0]!, 6);
  });

  it.each<[string, Partial<LoraSettings>, string]>([
    ['a rank for a layer that is not adapted', { rankPattern: { up_proj: 2 } }, 'rank_pattern'],
    ['an alpha for no layer', { alphaPattern: { 'layers.7': 2 } }, 'alpha_pattern'],
    ['a block that is not there', { layersToTransform: [2] }, 'layers_to_transform'],
    ['nothing left', { excludeModules: '.*' }, 'target_modules'],
    ['an excluded layer that is not there', { excludeModules: ['q_prog'] }, 'exclude_modules'],
    ['an expression that fits nothing', { targetModules: 'q_proj|v_proj' }, 'target_modules'],
    ['an expression of Python', { targetModules: '(?i).*q_proj' }, 'target_modules'],
    [
      'blocks chosen beside an expression',
      { targetModules: '.*q_proj', layersToTransform: [0] },
      'layers_to_transform',
    ],
    ['biases that the model does not have', { bias: 'all' }, 'bias'],
    ['biases that the adapted layers do not have', { bias: 'lora_only' }, 'bias'],
    ['a module that is not there', { modulesToSave: ['wte'] }, 'modules_to_save'],
  ])('refuses %s', (_what, change, where) => {
    const error = failure(() => loraMethod(base, { ...settings, ...change }, { seed: 1 }));
    expect(error).toMatchObject({ kind: 'config', where });
  });

  it('refuses to part tied embeddings', () => {
    const { checkpoint } = openFixture('llama-gqa-tied');
    const tied = { spec: checkpoint.spec, source: checkpoint.weights };
    for (const name of ['embed_tokens', 'lm_head']) {
      const lora = { ...settings, modulesToSave: [name] };
      expect(failure(() => loraMethod(tied, lora, { seed: 1 })).expected).toContain('ensure_weight_tying');
      expect(
        loraMethod(tied, { ...lora, ensureWeightTying: true }, { seed: 1 }).trains('model.embed_tokens.weight'),
      ).toBe(true);
    }
  });

  it('freezes what it is told, from either end', () => {
    const trains = (trainableLayers: number, extraModules: string[] = []) => {
      const method = freezeMethod(base, { trainableLayers, extraModules });
      return Object.keys(fixture.weights).filter(method.trains);
    };
    expect(trains(1).every((name) => name.startsWith('model.layers.1.'))).toBe(true);
    expect(trains(-1).every((name) => name.startsWith('model.layers.0.'))).toBe(true);
    expect(trains(-1)).toHaveLength(9);
    expect(trains(1, ['lm_head'])).toContain('lm_head.weight');
    expect(failure(() => trains(3))).toMatchObject({ kind: 'config', expected: 'at most 2' });
  });
});
