import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LlmkitError } from '../../src/core/errors.ts';
import type { OnnxGraph } from '../../src/io/onnx-graph.ts';
import { readExternal, readOnnxModel, writeOnnxModel } from '../../src/io/onnx.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-onnx-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const weight = Float32Array.from({ length: 600 }, (_, i) => i / 7);
const graph: OnnxGraph = {
  name: 'g',
  nodes: [
    {
      name: 'n',
      op: 'Custom',
      domain: 'com.microsoft',
      inputs: ['x', '', 'w'],
      outputs: ['y'],
      attrs: {
        axis: { i: -1 },
        eps: { f: 0.5 },
        mode: { s: 'linear' },
        axes: { ints: [0, -1, 2 ** 40] },
        scales: { floats: [1, 2.5] },
        names: { strings: ['a', 'é'] },
        value: { tensor: { dtype: 'i64', dims: [2], data: BigInt64Array.of(-5n, 1n << 60n) } },
      },
    },
  ],
  inputs: [{ name: 'x', dtype: 'f32', dims: ['batch', 20] }],
  outputs: [{ name: 'y', dtype: 'f16', dims: [] }],
  initializers: [
    { name: 'w', dtype: 'f32', dims: [20, 30], data: weight },
    { name: 'scalar', dtype: 'i32', dims: [], data: Int32Array.of(7) },
    { name: 'lazy', dtype: 'i8', dims: [2000], data: () => new Int8Array(2000).fill(-3) },
  ],
};

describe('an ONNX model', () => {
  it('reads back as the graph that was written', () => {
    const path = join(dir, 'm.onnx');
    writeOnnxModel(path, graph);
    const read = readOnnxModel(path);
    expect(read.nodes).toEqual(graph.nodes);
    expect(read.inputs).toEqual(graph.inputs);
    expect(read.outputs).toEqual(graph.outputs);
    expect(read.initializers.map((tensor) => readExternal(path, tensor))).toEqual([
      weight,
      Int32Array.of(7),
      new Int8Array(2000).fill(-3),
    ]);
  });

  it('keeps large weights in a file beside it, each on a page of its own, and small ones inline', () => {
    const path = join(dir, 'm.onnx');
    writeOnnxModel(path, graph, { externalFile: 'weights.bin' });
    const read = readOnnxModel(path);
    expect(read.initializers.map((tensor) => ('external' in tensor ? tensor.external : 'inline'))).toEqual([
      { location: 'weights.bin', offset: 0, length: 2400 },
      'inline',
      { location: 'weights.bin', offset: 4096, length: 2000 },
    ]);
    expect(statSync(join(dir, 'weights.bin')).size).toBe(6096);
    expect(readExternal(path, read.initializers[0]!)).toEqual(weight);
    expect(readExternal(path, read.initializers[2]!)).toEqual(new Int8Array(2000).fill(-3));
  });

  it('writes the same bytes for the same graph', () => {
    writeOnnxModel(join(dir, 'a.onnx'), graph);
    writeOnnxModel(join(dir, 'b.onnx'), graph);
    expect(readFileSync(join(dir, 'a.onnx')).equals(readFileSync(join(dir, 'b.onnx')))).toBe(true);
  });

  it('refuses data that does not fit the shape, naming the tensor', () => {
    const wrong: OnnxGraph = {
      ...graph,
      initializers: [{ name: 'w', dtype: 'f32', dims: [3], data: new Float32Array(2) }],
    };
    expect(() => writeOnnxModel(join(dir, 'm.onnx'), wrong)).toThrow(/data of w does not fit its shape/);
  });

  it('reports a file that is no model, and weights cut short, as data errors', () => {
    const bad = join(dir, 'bad.onnx');
    writeFileSync(bad, 'hello');
    expect(() => readOnnxModel(bad)).toThrow(LlmkitError);
    const path = join(dir, 'm.onnx');
    writeOnnxModel(path, graph, { externalFile: 'weights.bin' });
    truncateSync(join(dir, 'weights.bin'), 100);
    const first = readOnnxModel(path).initializers[0]!;
    expect(() => readExternal(path, first)).toThrow(/weights of w are cut short/);
  });
});
