import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSafetensors, type TensorToWrite, writeSafetensors } from '../../src/io/safetensors.ts';
import { readAdapter, writeAdapter } from '../../src/model/adapter.ts';
import { loadSpec } from '../../src/model/config.ts';
import { type LoraFactors, loraScale, type LoraSettings, moduleScale } from '../../src/model/lora.ts';
import { isTarget, patternValue, resolveTargetModules, targetNames } from '../../src/model/lora-targets.ts';
import { failure } from '../support/failure.ts';

const GQA = join(import.meta.dirname, '../golden/decoder/llama-gqa');
const spec = loadSpec(GQA);

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-adapter-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

/** The fixture's adapter with its config or its tensors changed. */
function altered(config: object, change: (tensors: TensorToWrite[]) => TensorToWrite[] = (tensors) => tensors): string {
  const from = join(GQA, 'adapter');
  const file = openSafetensors(join(from, 'adapter_model.safetensors'));
  const tensors = [...file.tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape, data: file.read(name) }));
  file.close();
  writeSafetensors(join(dir, 'adapter_model.safetensors'), change(tensors));
  const raw = JSON.parse(readFileSync(join(from, 'adapter_config.json'), 'utf8')) as object;
  writeFileSync(join(dir, 'adapter_config.json'), JSON.stringify({ ...raw, ...config }));
  return dir;
}

describe('an adapter that PEFT wrote', () => {
  it('is read with its settings and all its factors', () => {
    const { lora, factors, baseModel } = readAdapter(join(GQA, 'adapter'), spec);
    expect(lora).toMatchObject({ r: 4, alpha: 8, dropout: 0, useRslora: false });
    expect(baseModel).toBe('llama-gqa');
    expect([...factors.keys()]).toHaveLength(14);
    const { A, B } = factors.get('model.layers.1.self_attn.k_proj')!;
    expect([A.length, B.length]).toEqual([4 * 32, 16 * 4]);
    const file = openSafetensors(join(GQA, 'adapter/adapter_model.safetensors'));
    expect(B).toEqual(file.readF32('base_model.model.model.layers.1.self_attn.k_proj.lora_B.weight'));
    file.close();
  });

  it('is written back byte for byte', () => {
    const adapter = readAdapter(join(GQA, 'adapter'), spec);
    writeAdapter(dir, { spec, ...adapter, baseModel: 'llama-gqa' });
    const [ours, theirs] = [dir, join(GQA, 'adapter')].map((d) => readFileSync(join(d, 'adapter_model.safetensors')));
    expect(ours!.equals(theirs!)).toBe(true);
    expect(readAdapter(dir, spec)).toEqual(adapter);
  });

  it('may adapt a choice of layers', () => {
    // Whole paths, which the fixture has, are not limited by it.
    const names = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'];
    const path = altered({ target_modules: names, layers_to_transform: [0] }, (tensors) =>
      tensors.filter(({ name }) => name.includes('layers.0')),
    );
    expect([...readAdapter(path, spec).factors.keys()]).toHaveLength(7);
  });
});

describe('an adapter that cannot be used', () => {
  it.each<[string, object]>([
    ['use_dora', { use_dora: 'yes' }],
    ['modules_to_save', { modules_to_save: { lm_head: true } }],
    ['modules_to_save', { modules_to_save: ['score'] }],
    ['rank_pattern', { rank_pattern: { q_proj: 1.5 } }],
    ['alpha_pattern', { alpha_pattern: { q_proj: '8' } }],
    ['bias', { bias: 'some' }],
    ['bias', { bias: 'all' }],
    ['layers_to_transform', { layers_to_transform: [-1] }],
    ['lora_bias', { lora_bias: true }],
    ['init_lora_weights', { init_lora_weights: 'pissa' }],
    ['peft_type', { peft_type: 'IA3' }],
    ['task_type', { task_type: 'SEQ_CLS' }],
    ['r', { r: 0 }],
    ['lora_alpha', { lora_alpha: null }],
    ['target_modules', { target_modules: null }],
    ['an_option_of_tomorrow', { an_option_of_tomorrow: { on: true } }],
  ])('is refused by the name of the option: %s', (name, config) => {
    const error = failure(() => readAdapter(altered(config), spec));
    expect(error.kind).toBe('data');
    expect(error.where).toBe(`${join(dir, 'adapter_config.json')}: ${name}`);
  });

  const A = 'base_model.model.model.layers.0.mlp.up_proj.lora_A.weight';
  it('names a missing factor', () => {
    const path = altered({}, (tensors) => tensors.filter(({ name }) => name !== A));
    expect(failure(() => readAdapter(path, spec)).message).toBe(`${A} is missing`);
  });

  it('names a module that target_modules promises', () => {
    const path = altered({}, (tensors) => tensors.filter(({ name }) => !name.includes('layers.0.mlp.up_proj')));
    expect(failure(() => readAdapter(path, spec)).message).toBe(`${A} is missing`);
  });

  it('names a factor of the wrong shape', () => {
    const path = altered({ r: 8 });
    expect(failure(() => readAdapter(path, spec))).toMatchObject({ expected: '[8, 32]', got: '[4, 32]' });
  });

  it('names a module the model does not have', () => {
    const path = altered({}, (tensors) =>
      tensors.map((tensor) => (tensor.name === A ? { ...tensor, name: A.replace('layers.0', 'layers.7') } : tensor)),
    );
    expect(failure(() => readAdapter(path, spec)).where).toContain('layers.7');
  });

  it('names a factor with NaN', () => {
    const path = altered({}, (tensors) =>
      tensors.map((t) => (t.name === A ? { ...t, data: new Uint8Array(4 * 32 * 4).fill(0xff) } : t)),
    );
    expect(failure(() => readAdapter(path, spec)).message).toBe(`${A} holds NaN`);
  });

  it('names a truncated file, a missing one, and a pickle', () => {
    cpSync(join(GQA, 'adapter'), dir, { recursive: true });
    const file = join(dir, 'adapter_model.safetensors');
    truncateSync(file, statSync(file).size - 1);
    expect(failure(() => readAdapter(dir, spec)).kind).toBe('data');
    rmSync(file);
    writeFileSync(join(dir, 'adapter_model.bin'), '');
    expect(failure(() => readAdapter(dir, spec)).hint).toContain('pickles');
    rmSync(join(dir, 'adapter_config.json'));
    expect(failure(() => readAdapter(dir, spec)).message).toContain('adapter_config.json');
  });
});

describe('writing an adapter', () => {
  const lora: LoraSettings = { r: 2, alpha: 3, dropout: 0.1, targetModules: ['q_proj', 'v_proj'], useRslora: true };
  const factors = (): Map<string, LoraFactors> =>
    new Map(
      resolveTargetModules(spec, lora).map((target) => [
        target.module,
        { A: new Float32Array(2 * target.in).fill(0.5), B: new Float32Array(target.out * 2) },
      ]),
    );

  it('gives back settings and factors', () => {
    writeAdapter(dir, { spec, lora, factors: factors(), baseModel: 'base' });
    expect(readAdapter(dir, spec)).toEqual({ lora, factors: factors(), weights: new Map(), baseModel: 'base' });
  });

  it('refuses factors that are missing, too many or of the wrong size', () => {
    const [less, more, wrong] = [factors(), factors(), factors()];
    less.delete('model.layers.1.self_attn.v_proj');
    more.set('model.layers.1.mlp.up_proj', { A: new Float32Array(64), B: new Float32Array(96) });
    wrong.get('model.layers.0.self_attn.q_proj')!.A = new Float32Array(63);
    for (const bad of [less, more, wrong]) {
      expect(failure(() => writeAdapter(dir, { spec, lora, factors: bad, baseModel: 'base' })).kind).toBe('bug');
    }
  });
});

describe('target_modules', () => {
  it('all-linear is every linear layer of the blocks, without the head', () => {
    expect(resolveTargetModules(spec, { targetModules: 'all-linear' })).toHaveLength(14);
    expect(targetNames(spec, 'all-linear')).toEqual([
      'q_proj',
      'k_proj',
      'v_proj',
      'o_proj',
      'gate_proj',
      'up_proj',
      'down_proj',
    ]);
  });

  it('names a module that is not there, and the one that was meant', () => {
    const error = failure(() => resolveTargetModules(spec, { targetModules: ['q_pro'] }));
    expect(error).toMatchObject({
      kind: 'config',
      where: 'target_modules',
      got: 'q_pro',
      hint: 'did you mean q_proj?',
    });
    expect(failure(() => resolveTargetModules(spec, { targetModules: ['proj'] })).kind).toBe('config');
  });

  it('scales by alpha / r, or by alpha / sqrt(r)', () => {
    expect(loraScale({ r: 4, alpha: 8, useRslora: false })).toBe(2);
    expect(loraScale({ r: 4, alpha: 8, useRslora: true })).toBe(4);
  });

  const q0 = 'model.layers.0.self_attn.q_proj';
  it.each<[string, boolean, Parameters<typeof isTarget>[1]]>([
    ['a name', true, { targetModules: ['q_proj'] }],
    ['the end of a name', false, { targetModules: ['_proj'] }],
    ['a whole path', true, { targetModules: [q0] }],
    ['an expression for the whole path', true, { targetModules: '.*\\.(q|k)_proj' }],
    ['an expression for a part of it', false, { targetModules: 'q_proj' }],
    ['a named group as Python spells it', true, { targetModules: '.*(?P<what>q)_proj\\Z' }],
    ['a name in another block', false, { targetModules: ['q_proj'], layersToTransform: [1] }],
    ['a name in this block', true, { targetModules: ['q_proj'], layersToTransform: [0] }],
    ['a whole path, whatever the blocks', true, { targetModules: [q0], layersToTransform: [1] }],
    [
      'blocks under their pattern',
      true,
      { targetModules: ['q_proj'], layersToTransform: [0], layersPattern: ['layers'] },
    ],
    ['blocks under another', false, { targetModules: ['q_proj'], layersToTransform: [0], layersPattern: ['h'] }],
    ['a name that is excluded', false, { targetModules: ['q_proj'], excludeModules: ['q_proj'] }],
    ['an excluding expression', false, { targetModules: 'all-linear', excludeModules: '.*layers\\.0.*' }],
    ['a module trained in full', false, { targetModules: 'all-linear', modulesToSave: ['self_attn'] }],
  ])('%s: %s', (_what, expected, targets) => {
    expect(isTarget(q0, targets)).toBe(expected);
  });

  it('takes ranks from the first pattern that fits the end of the path at a dot', () => {
    expect(patternValue({ _proj: 1, q_proj: 2, '.*': 3 }, q0)).toBe(2);
    expect(patternValue({ 'layers.0.self_attn.[qk]_proj': 5, q_proj: 2 }, q0)).toBe(5);
    expect(patternValue({ '^q_proj': 1 }, q0)).toBeUndefined();
    const lora: LoraSettings = { r: 4, alpha: 8, dropout: 0, useRslora: true, targetModules: 'all-linear' };
    expect(moduleScale({ ...lora, rankPattern: { q_proj: 16 } }, q0)).toEqual({ r: 16, scale: 2 });
    expect(moduleScale({ ...lora, alphaPattern: { q_proj: 6 } }, q0)).toEqual({ r: 4, scale: 3 });
  });
});
