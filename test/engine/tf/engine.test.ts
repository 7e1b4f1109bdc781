import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { f32ToBf16 } from '../../../src/core/half.ts';
import type { TfEngine, TfGraph } from '../../../src/engine/tf/types.ts';
import { NativeEngine } from '../../../src/engine/tf/native.ts';
import { WasmEngine } from '../../../src/engine/tf/wasm.ts';
import type { TfNode } from '../../../src/graph/tf-graph.ts';
import { alignedBuffer } from '../../../src/io/atomic.ts';
import { nativeEngine, nativeInstall } from './native-or-skip.ts';

const placeholder = (name: string, shape: number[], type: 'f32' | 'i32' = 'f32'): TfNode => ({
  name,
  op: 'Placeholder',
  inputs: [],
  attrs: { dtype: { type }, shape: { shape } },
});

/** y = x + 1, and s = the sum of y after a control edge from a node nothing reads. */
const graph: TfGraph = {
  nodes: [
    placeholder('x', [2, 2]),
    {
      name: 'one',
      op: 'Const',
      inputs: [],
      attrs: { dtype: { type: 'f32' }, value: { tensor: { dtype: 'f32', shape: [], data: Float32Array.of(1) } } },
    },
    {
      name: 'axes',
      op: 'Const',
      inputs: [],
      attrs: { dtype: { type: 'i32' }, value: { tensor: { dtype: 'i32', shape: [2], data: Int32Array.of(0, 1) } } },
    },
    { name: 'side', op: 'Neg', inputs: ['x'], attrs: { T: { type: 'f32' } } },
    { name: 'layer/y', op: 'AddV2', inputs: ['x', 'one'], attrs: { T: { type: 'f32' } } },
    {
      name: 's',
      op: 'Sum',
      inputs: ['layer/y:0', 'axes', '^side'],
      attrs: { T: { type: 'f32' }, Tidx: { type: 'i32' }, keep_dims: { b: false } },
    },
  ],
  inputs: [{ name: 'x', dtype: 'f32', shape: [2, 2] }],
  outputs: [
    { name: 'y', ref: 'layer/y', dtype: 'f32', shape: [2, 2] },
    { name: 'again', ref: 'layer/y:0', dtype: 'f32', shape: [2, 2] },
    { name: 's', ref: 's', dtype: 'f32', shape: [] },
  ],
};

const kinds = nativeInstall === undefined ? (['wasm'] as const) : (['native', 'wasm'] as const);

describe.for(kinds)('the %s engine', (kind) => {
  let engine: TfEngine;
  beforeAll(async () => {
    engine = kind === 'wasm' ? await WasmEngine.create() : nativeEngine();
  });
  afterAll(() => engine.dispose());

  it('says what it is', () => {
    expect(engine.description).toContain(kind);
    expect(engine.kind).toBe(kind);
  });

  it('runs a graph with control edges and feeds outputs back without reading them', () => {
    const before = engine.numTensors();
    const program = engine.load(graph);
    let x = engine.tensor(Float32Array.of(1, 2, 3, 4), [2, 2], 'f32');
    for (let step = 0; step < 5; step++) {
      const { y, again, s } = program.run({ x });
      x.dispose();
      again!.dispose();
      expect(engine.read(s!)[0]).toBe(14 + 4 * step);
      s!.dispose();
      x = y!;
    }
    expect([...engine.read(x)]).toEqual([6, 7, 8, 9]);
    x.dispose();
    program.dispose();
    expect(engine.numTensors()).toBe(before);
  });

  it('keeps feeds alive and unchanged, and outputs independent of one another', () => {
    const program = engine.load(graph);
    const x = engine.tensor(Float32Array.of(1, 2, 3, 4), [2, 2], 'f32');
    const { y, again, s } = program.run({ x });
    y!.dispose();
    y!.dispose();
    expect([...engine.read(again!)]).toEqual([2, 3, 4, 5]);
    expect([...engine.read(x)]).toEqual([1, 2, 3, 4]);
    for (const tensor of [again!, s!, x]) tensor.dispose();
    program.dispose();
  });

  it('reads every dtype back as it was given', () => {
    const tensors = [
      engine.tensor(Float32Array.of(-1.5, 2), [2], 'f32'),
      engine.tensor(Int32Array.of(-7, 2 ** 30), [1, 2], 'i32'),
      engine.tensor(Uint8Array.of(0, 200, 255), [3], 'u8'),
      engine.tensor(Uint8Array.of(1, 0), [2], 'bool'),
      engine.tensor(Float32Array.of(3), [], 'f32'),
    ];
    expect(tensors.map((tensor) => engine.read(tensor))).toEqual([
      Float32Array.of(-1.5, 2),
      Int32Array.of(-7, 2 ** 30),
      Uint8Array.of(0, 200, 255),
      Uint8Array.of(1, 0),
      Float32Array.of(3),
    ]);
    for (const tensor of tensors) tensor.dispose();
  });

  it('names the input that is missing, unknown or does not fit', () => {
    const program = engine.load(graph);
    const wide = engine.tensor(new Float32Array(6), [2, 3], 'f32');
    const right = engine.tensor(new Float32Array(4), [2, 2], 'f32');
    expect(() => program.run({})).toThrow(expect.objectContaining({ kind: 'bug', where: 'x' }));
    expect(() => program.run({ x: wide })).toThrow(
      expect.objectContaining({ where: 'x', expected: 'f32 [2, 2]', got: 'f32 [2, 3]' }),
    );
    expect(() => program.run({ x: right, z: wide })).toThrow(expect.objectContaining({ got: 'z' }));
    program.dispose();
    expect(() => program.run({ x: right })).toThrow(/dispose/);
    wide.dispose();
    right.dispose();
    expect(() => engine.read(right)).toThrow();
  });

  it('refuses data that does not fill its shape or is of the wrong kind', () => {
    expect(() => engine.tensor(new Float32Array(3), [2, 2], 'f32')).toThrow(
      expect.objectContaining({ expected: '4 elements for [2, 2]' }),
    );
    expect(() => engine.tensor(new Int32Array(4), [2, 2], 'f32')).toThrow(
      expect.objectContaining({ expected: 'Float32Array', got: 'Int32Array' }),
    );
  });

  it('refuses a graph with an op nobody has, at load or at run', () => {
    const bad: TfGraph = {
      ...graph,
      nodes: [...graph.nodes.slice(0, 4), { name: 'layer/y', op: 'NoSuchOp', inputs: ['x'], attrs: {} }],
      outputs: [graph.outputs[0]!],
    };
    const x = engine.tensor(new Float32Array(4), [2, 2], 'f32');
    expect(() => engine.load(bad).run({ x })).toThrow(
      expect.objectContaining({ kind: 'bug', got: expect.stringContaining('NoSuchOp') }),
    );
    x.dispose();
  });

  it('refuses an output that is an input', () => {
    const bad: TfGraph = { ...graph, outputs: [{ name: 'x', ref: 'x:0', dtype: 'f32', shape: [2, 2] }] };
    expect(() => engine.load(bad)).toThrow(/one of its inputs/);
  });

  it('refuses tensors of another engine', () => {
    const program = engine.load(graph);
    const foreign = { shape: [2, 2], dtype: 'f32' as const, dispose() {} };
    expect(() => program.run({ x: foreign })).toThrow(/another engine/);
    program.dispose();
  });
});

it('the wasm engine refuses bf16 data and bf16 graphs', async () => {
  const engine = await WasmEngine.create();
  expect(() => engine.tensor(new Uint16Array(4), [4], 'bf16')).toThrow(/no bf16/);
  const node: TfNode = {
    name: 'y',
    op: 'Cast',
    inputs: ['x'],
    attrs: { SrcT: { type: 'f32' }, DstT: { type: 'bf16' } },
  };
  const bad: TfGraph = {
    nodes: [placeholder('x', [2]), node],
    inputs: [{ name: 'x', dtype: 'f32', shape: [2] }],
    outputs: [{ name: 'y', ref: 'y', dtype: 'f32', shape: [2] }],
  };
  expect(() => engine.load(bad)).toThrow(expect.objectContaining({ where: 'y', hint: expect.stringContaining('f32') }));
});

describe.skipIf(nativeInstall === undefined)('native memory', () => {
  let engine: NativeEngine;
  beforeAll(() => {
    engine = nativeEngine();
  });
  afterAll(() => engine.dispose());

  it('aliases aligned memory and copies the rest', () => {
    const bytes = alignedBuffer(4096);
    const aligned = new Float32Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, 1024);
    const shifted = new Float32Array(bytes.buffer as ArrayBuffer, bytes.byteOffset + 4, 16);
    const tensors = [engine.tensor(aligned, [1024], 'f32'), engine.tensor(shifted, [16], 'f32')];
    aligned.fill(7);
    expect(tensors.map((tensor) => engine.read(tensor)[0])).toEqual([7, 0]);
    for (const tensor of tensors) tensor.dispose();
  });

  it('keeps the memory of a tensor alive when JavaScript lets go of it', () => {
    const tensors = Array.from({ length: 50 }, (_, i) => {
      const bytes = alignedBuffer(4 * 2 ** 20);
      return engine.tensor(
        new Float32Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, 2 ** 20).fill(i),
        [2 ** 20],
        'f32',
      );
    });
    // Fresh allocations would land in memory that had been freed too early.
    for (let i = 0; i < 200; i++) new Float32Array(2 ** 20).fill(-1);
    expect(tensors.map((tensor) => engine.read(tensor).at(-1))).toEqual(tensors.map((_, i) => i));
    for (const tensor of tensors) tensor.dispose();
  });

  it('takes bf16 as pairs that the graph bitcasts, from any start', () => {
    const cast: TfGraph = {
      nodes: [
        placeholder('w', [2, 2], 'i32'),
        { name: 'bits', op: 'Bitcast', inputs: ['w'], attrs: { T: { type: 'i32' }, type: { type: 'bf16' } } },
        {
          name: 'shape',
          op: 'Const',
          inputs: [],
          attrs: { dtype: { type: 'i32' }, value: { tensor: { dtype: 'i32', shape: [2], data: Int32Array.of(2, 4) } } },
        },
        {
          name: 'flat',
          op: 'Reshape',
          inputs: ['bits', 'shape'],
          attrs: { T: { type: 'bf16' }, Tshape: { type: 'i32' } },
        },
        {
          name: 'y',
          op: 'Cast',
          inputs: ['flat'],
          attrs: { SrcT: { type: 'bf16' }, DstT: { type: 'f32' }, Truncate: { b: false } },
        },
      ],
      inputs: [{ name: 'w', dtype: 'bf16', shape: [2, 4] }],
      outputs: [{ name: 'y', ref: 'y', dtype: 'f32', shape: [2, 4] }],
    };
    const values = [1, -2, 0.5, 3, -0.25, 128, 7, 1e10];
    const rounded = f32ToBf16(Float32Array.from(values));
    const odd = new Uint16Array(9).subarray(1);
    odd.set(rounded);
    const program = engine.load(cast);
    for (const bits of [rounded, odd]) {
      const w = engine.tensor(bits, [2, 4], 'bf16');
      expect(w.shape).toEqual([2, 4]);
      const { y } = program.run({ w });
      // bf16 keeps 8 bits of the mantissa.
      for (const [i, value] of engine.read(y!).entries())
        expect(Math.abs(value / values[i]! - 1)).toBeLessThan(2 ** -8);
      expect(() => engine.read(w)).toThrow(/bf16/);
      w.dispose();
      y!.dispose();
    }
    expect(() => engine.tensor(new Uint16Array(3), [3], 'bf16')).toThrow(/even last dimension/);
    program.dispose();
  });

  it('leaves no model folder behind', () => {
    const before = process.env['TMPDIR'];
    const folder = mkdtempSync(join(tmpdir(), 'llmkit-test-'));
    process.env['TMPDIR'] = folder;
    try {
      engine.load(graph).dispose();
      expect(readdirSync(folder)).toEqual([]);
    } finally {
      if (before === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = before;
      rmSync(folder, { recursive: true });
    }
  });

  it('loads in a worker thread beside the main one', async () => {
    const source = `
      const { parentPort, workerData } = require('node:worker_threads');
      const tf = require(workerData);
      const id = tf.createTensor([2], tf.TF_FLOAT, Float32Array.of(2, 3));
      const [y] = tf.executeOp('Square', [{ name: 'T', type: tf.TF_ATTR_TYPE, value: tf.TF_FLOAT }], [id], 1);
      parentPort.postMessage([...tf.tensorDataSync(y.id)]);
    `;
    for (let round = 0; round < 2; round++) {
      const worker = new Worker(source, { eval: true, workerData: nativeInstall!.addonPath });
      const answer = await new Promise((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
      });
      expect(answer).toEqual([4, 9]);
      await worker.terminate();
    }
  });
});
