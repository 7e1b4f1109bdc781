import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { chooseEngine } from '../../src/engine/tf/index.ts';
import type { TfEngine, TfTensor } from '../../src/engine/tf/index.ts';
import { FIRST_MOMENT, SECOND_MOMENT } from '../../src/train/adamw.ts';
import { Optimizer, updateGroups } from '../../src/train/optimizer.ts';
import { engines } from '../support/engines.ts';

const options = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.1, maxGradNorm: 1, noDecay: ['embed.weight'] };
// Two large ones of a kind, one large one that does not decay, and small ones on both sides of them.
const weights = [
  { name: 'embed.weight', shape: [1000, 1000] },
  { name: 'a.weight', shape: [3, 2] },
  { name: 'up.weight', shape: [1000, 1000] },
  { name: 'norm.weight', shape: [5] },
  { name: 'down.weight', shape: [1000, 1000] },
];

describe('groups of an update', () => {
  it('hold large weights alone, and those of one kind have one program', () => {
    const groups = updateGroups(weights, options);
    expect(groups.map((group) => group.weights.map(({ name }) => name))).toEqual([
      ['embed.weight'],
      ['up.weight'],
      ['down.weight'],
      ['a.weight', 'norm.weight'],
    ]);
    expect(groups[1]!.key).toBe(groups[2]!.key);
    expect(groups[0]!.key).not.toBe(groups[1]!.key);
  });
});

describe.each(engines)('the optimizer on the %s engine', (kind) => {
  let engine: TfEngine;
  beforeAll(async () => {
    engine = await chooseEngine({ engine: kind });
  });
  afterAll(() => engine.dispose());

  it.each([1, 0])('moves every weight by the formula, clipped by the norm of all (max_grad_norm %d)', (maxGradNorm) => {
    const settings = { ...options, maxGradNorm };
    const random = new Random(1);
    const data = new Map<string, Float32Array>();
    for (const { name, shape } of weights) {
      const size = shape.reduce((a, b) => a * b, 1);
      for (const part of ['', 'gradient/', FIRST_MOMENT, SECOND_MOMENT]) {
        data.set(
          part + name,
          Float32Array.from({ length: size }, () => Math.abs(random.float()) + 0.1),
        );
      }
    }
    const scalars = { learning_rate: 0.1, gradient_scale: 0.5, correction1: 0.1, correction2: 0.01 };
    const before = engine.numTensors();
    const optimizer = new Optimizer(engine, weights, settings);
    const tensor = (name: string, shape: readonly number[]): TfTensor =>
      engine.tensor(data.get(name)!.slice(), shape, 'f32');
    const state: Record<string, TfTensor> = {};
    const gradients: Record<string, TfTensor> = {};
    for (const { name, shape } of weights) {
      for (const part of ['', FIRST_MOMENT, SECOND_MOMENT]) state[part + name] = tensor(part + name, shape);
      gradients[`gradient/${name}`] = tensor(`gradient/${name}`, shape);
    }
    const fed: Record<string, TfTensor> = Object.fromEntries(
      Object.entries(scalars).map(([name, value]) => [name, engine.tensor(Float32Array.of(value), [], 'f32')]),
    );
    fed['gradient_norm'] = optimizer.norm(gradients, fed['gradient_scale']!);
    let squares = 0;
    for (const { name } of weights) for (const x of data.get(`gradient/${name}`)!) squares += x * x;
    const norm = Math.sqrt(squares) * scalars.gradient_scale;
    expect(engine.read(fed['gradient_norm'])[0]! / norm).toBeCloseTo(1, 4);
    optimizer.update(state, gradients, fed);
    expect(gradients).toEqual({});
    const clip = maxGradNorm === 0 ? 1 : Math.min(1, maxGradNorm / (norm + 1e-6));
    for (const { name } of weights) {
      const decay = name === 'up.weight' || name === 'down.weight' || name === 'a.weight' ? 1 - 0.1 * 0.1 : 1;
      const [value, m, v] = ['', FIRST_MOMENT, SECOND_MOMENT].map((part) => engine.read(state[part + name]!));
      for (const at of [0, value!.length >> 1, value!.length - 1]) {
        const old = (part: string): number => data.get(part + name)![at]!;
        const gradient = old('gradient/') * scalars.gradient_scale * clip;
        const first = 0.9 * old(FIRST_MOMENT) + 0.1 * gradient;
        const second = 0.99 * old(SECOND_MOMENT) + 0.01 * gradient ** 2;
        const step = ((0.1 / scalars.correction1) * first) / (Math.sqrt(second / scalars.correction2) + 1e-8);
        expect(m![at]! / first, name).toBeCloseTo(1, 4);
        expect(v![at]! / second, name).toBeCloseTo(1, 4);
        expect(value![at]!, name).toBeCloseTo(old('') * decay - step, 4);
      }
    }
    for (const held of [...Object.values(state), ...Object.values(fed)]) held.dispose();
    optimizer.dispose();
    expect(engine.numTensors()).toBe(before);
  });
});
