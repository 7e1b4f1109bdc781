import { writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/index.ts';
import { Graph, add, input, linear, matmul, mul, parameter, reshape, sumAll } from '../../src/graph/index.ts';
import { graphCost } from '../../src/train/estimate-graph.ts';
import { estimateData, largestShapes } from '../../src/train/estimate-shapes.ts';
import { StepPlan } from '../../src/train/batches.ts';
import { estimateRun, type RunEstimate, type Settings } from '../../src/train/estimate-run.ts';
import { openFixture } from '../support/decoder-fixture.ts';
import { failure } from '../support/failure.ts';

const native = { inPlace: true };
const wasm = { inPlace: false };
const KB = 1024;

describe('the cost of a graph', () => {
  it('counts what is alive at once: an elementwise result takes over an input that nobody else reads', () => {
    const graph = new Graph();
    const x = input(graph, 'x', [256], 'f32');
    const doubled = add(x, x);
    graph.output('y', mul(doubled, x));
    expect(graphCost(graph, native)).toMatchObject({ peakBytes: KB, outputBytes: KB });
    expect(graphCost(graph, wasm).peakBytes).toBe(2 * KB);
  });

  it('keeps a value until its last reader, through views of it', () => {
    const graph = new Graph();
    const x = input(graph, 'x', [256], 'f32');
    const a = add(x, x);
    const view = reshape(a, [16, 16]);
    const squared = mul(view, view);
    graph.output('y', add(reshape(squared, [256]), a));
    expect(graphCost(graph, native).peakBytes).toBe(2 * KB);
  });

  it('counts neither weights nor feeds, and knows what a product computes and what the rest moves', () => {
    const graph = new Graph();
    const x = input(graph, 'x', [8, 32], 'f32');
    const w = parameter(graph, 'w', [16, 32]);
    graph.output('y', add(linear(x, w), linear(x, w)));
    const cost = graphCost(graph, native);
    // One product: the second is the same and done once.
    expect(cost.flops).toBe(2 * 8 * 16 * 32);
    expect(graphCost(graph, wasm).flops).toBe(2 * cost.flops);
    expect(cost.movedBytes).toBe(3 * 8 * 16 * 4);
    expect(cost.peakBytes).toBe(2 * 8 * 16 * 4);
  });

  it('waits for control edges', () => {
    const build = (held: boolean): Graph => {
      const graph = new Graph();
      const x = input(graph, 'x', [32, 32], 'f32');
      const first = sumAll(matmul(x, x));
      const controls = held ? [first] : [];
      const second = graph.add(matmul(x, x).node.def, [x, x], { transposeA: true, transposeB: false }, { controls });
      graph.output('y', add(first, sumAll(second.outputs[0]!)));
      return graph;
    };
    expect(graphCost(build(false), wasm).peakBytes).toBeGreaterThan(2 * 32 * 32 * 4);
    expect(graphCost(build(true), wasm).peakBytes).toBeLessThan(1.1 * 32 * 32 * 4);
  });
});

const row = (length: number, targets = length) => ({
  inputIds: new Int32Array(length),
  labels: Int32Array.from({ length }, (_, i) => (i < length - targets ? -100 : 1)),
  seqLengths: [length],
});

describe('the batches of a run', () => {
  const lengths = [60, 100, 60, 100, 500, 60, 60, 60];
  const train = { numRows: 8, maxLength: 512, row: (i: number) => row(lengths[i]!, 10) };
  const plan = new StepPlan({ numRows: 8, seed: 1, batch: 1, accumulation: 2 });

  it('are counted by shape over all epochs, with their tokens and targets', () => {
    const data = estimateData(plan, 12, train, 1);
    expect(data).toMatchObject({ totalSteps: 12, stepsPerEpoch: 4, tokens: 3000, targets: 240, sampled: false });
    const seen = data.shapes.map(({ shape, count }) => [shape.length, count]);
    expect(seen).toEqual([
      [64, 15],
      [128, 6],
      [512, 3],
    ]);
    for (const { shape, rows } of data.shapes) expect(lengths[rows[0]!]).toBeLessThanOrEqual(shape.length);
  });

  it('are sampled where there are too many, with the largest that could come', () => {
    const data = estimateData(plan, 12, train, 1, 2);
    expect(data.sampled).toBe(true);
    expect(data.shapes.at(-1)).toMatchObject({ shape: { length: 512, band: 512, targets: 512 }, count: 0 });
    expect(data.tokens).toBeGreaterThan(240);
  });

  it('have a peak among those that no other is as large as', () => {
    const shape = (length: number, targets: number) => ({ batch: 1, length, band: length, targets });
    const [a, b, c] = [shape(64, 32), shape(128, 32), shape(64, 64)];
    expect(largestShapes([a, b, c])).toEqual([b, c]);
  });
});

describe('what a run will take', () => {
  const { checkpoint } = openFixture('llama-gqa');
  const train = { numRows: 64, maxLength: 512, row: () => row(512) };
  const lora = { r: 2, scaling: 1, dropout: 0, targets: () => true };
  const estimate = (settings: Partial<Settings>, batch = 32): RunEstimate => {
    const dir = mkdtempSync(join(tmpdir(), 'llmkit-estimate-'));
    writeFileSync(join(dir, 'config.yaml'), 'version: 1\noutput_dir: out\n');
    const { finetune: config } = loadConfig(join(dir, 'config.yaml')).config;
    rmSync(dir, { recursive: true });
    const steps = {
      stage: 'finetune',
      train,
      seed: 1,
      batch,
      accumulation: 1,
      epochs: 1,
      maxSteps: undefined,
      schedule: { type: 'constant' as const, learningRate: 1 },
      warmupSteps: 0,
      warmupRatio: 0,
    };
    const model = { spec: checkpoint.spec, source: checkpoint.weights, lora, train, config };
    const usual = { engine: 'native', precision: 'fp32', memory: 'none', baseBytes: 0, maxBytes: undefined } as const;
    return estimateRun(model, { ...usual, steps, ...settings });
  };
  const { peakBytes } = estimate({}).peak;

  it('is the sum of its parts, grows with the batch and falls when blocks are computed again', () => {
    const { peak } = estimate({});
    expect(Object.values(peak.parts).reduce((sum, bytes) => sum + bytes)).toBe(peak.peakBytes);
    expect(peak).toMatchObject({ phase: 'gradients', largest: { batch: 32, length: 512 } });
    expect(estimate({}, 64).peak.parts.working / peak.parts.working).toBeCloseTo(2, 1);
    expect(estimate({ memory: 'layer' }).peak.parts.working).toBeLessThan(0.8 * peak.parts.working);
    expect(estimate({ baseBytes: 1e9 }).peak.peakBytes).toBe(peakBytes + 1e9);
  });

  it('decides whether activations are kept', () => {
    expect(estimate({ memory: 'auto', maxBytes: 2 * peakBytes }).memory).toBe('none');
    expect(estimate({ memory: 'auto', maxBytes: peakBytes - 1 }).memory).toBe('layer');
  });

  it('is refused above a limit, with the settings that would fit', () => {
    const error = failure(() => estimate({ maxBytes: peakBytes - 1 }));
    expect(error).toMatchObject({ kind: 'config', where: '--max-memory' });
    for (const hint of [
      'memory: layer (',
      'per_device_train_batch_size: 16 with gradient_accumulation_steps: 2 (',
      'prepare.max_length: 256 (',
    ])
      expect(error).toMatchObject({ hint: expect.stringContaining(hint) });
    expect(failure(() => estimate({ maxBytes: 1000 }))).toMatchObject({
      hint: expect.stringMatching(/^no batch, length or precision/),
    });
  });
});
