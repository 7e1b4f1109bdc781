import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LlmkitError } from '../../../src/core/errors.ts';
import { createSession, findOrtLibrary, ortApi, ortTensor, probeOrt } from '../../../src/engine/ort/index.ts';
import type { OnnxGraph } from '../../../src/io/onnx-graph.ts';
import { writeOnnxModel } from '../../../src/io/onnx.ts';

let dir: string;
let model: string;
const columns = 64;

/** y = x w + 1, and n = the number of rows as i64. */
const graph: OnnxGraph = {
  nodes: [
    { name: 'mm', op: 'MatMul', inputs: ['x', 'w'], outputs: ['xw'], attrs: {} },
    { name: 'add', op: 'Add', inputs: ['xw', 'one'], outputs: ['y'], attrs: {} },
    { name: 'shape', op: 'Shape', inputs: ['x'], outputs: ['n'], attrs: { start: { i: 0 }, end: { i: 1 } } },
  ],
  inputs: [{ name: 'x', dtype: 'f32', dims: ['rows', 3] }],
  outputs: [
    { name: 'y', dtype: 'f32', dims: ['rows', columns] },
    { name: 'n', dtype: 'i64', dims: [1] },
  ],
  initializers: [
    {
      name: 'w',
      dtype: 'f32',
      dims: [3, columns],
      data: Float32Array.from({ length: 3 * columns }, (_, i) => (Math.floor(i / columns) + 1) * (i % columns)),
    },
    { name: 'one', dtype: 'f32', dims: [1], data: Float32Array.of(1) },
  ],
};

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-ort-'));
  model = join(dir, 'm.onnx');
  writeOnnxModel(model, graph, { externalFile: 'm.bin', externalBytes: 16 });
});
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

function failure(action: () => unknown): LlmkitError {
  try {
    action();
  } catch (error) {
    return error as LlmkitError;
  }
  throw new Error('nothing was thrown');
}

describe('the ONNX Runtime engine', () => {
  it('probes itself: loads, and multiplies int8 exactly or says that it does not', () => {
    const probe = probeOrt();
    expect(probe.version).toMatch(/^1\.\d+\.\d+$/);
    expect(typeof probe.int8Exact).toBe('boolean');
  });

  it('names the platforms it has when there is no build for this one', () => {
    const error = failure(() => findOrtLibrary('sunos', 'mips'));
    expect(error.kind).toBe('environment');
    expect(error.expected).toMatch(/linux x64/);
  });

  it('tells names, dtypes and dimensions of inputs and outputs', () => {
    const session = createSession(model, { threads: 1 });
    expect(session.inputPorts).toEqual([{ name: 'x', dtype: 'f32', dims: ['rows', 3] }]);
    expect(session.outputPorts).toEqual([
      { name: 'y', dtype: 'f32', dims: ['rows', columns] },
      { name: 'n', dtype: 'i64', dims: [1] },
    ]);
    session.dispose();
  });

  it('runs with outputs it allocates itself', () => {
    const session = createSession(model, { threads: 1, mapped: true, x64QuantPrecision: true });
    const { y, n } = session.run({ x: ortTensor(Float32Array.of(1, 1, 1, 0, 0, 2), [2, 3]) }, ['y', 'n']);
    expect(y?.shape).toEqual([2, columns]);
    expect(y?.data[5]).toBe(1 + (1 + 2 + 3) * 5);
    expect(y?.data[columns + 7]).toBe(1 + 2 * 3 * 7);
    expect(n?.data).toEqual(BigInt64Array.of(2n));
    session.dispose();
  });

  it('reads and writes bound memory in place', () => {
    const session = createSession(model, { threads: 1 });
    const binding = session.binding();
    const x = new Float32Array(3); // 12 bytes: V8 keeps arrays this small on its moving heap
    const y = new Float32Array(columns);
    const n = new BigInt64Array(1);
    binding.bindInput('x', ortTensor(x, [1, 3]));
    binding.bindOutput('y', ortTensor(y, [1, columns]));
    binding.bindOutput('n', ortTensor(n, [1]));
    for (let i = 0; i < 50; i++) {
      x[2] = i;
      Array.from({ length: 2000 }, () => new Float32Array(16)); // give the collector something to move
      binding.run();
      expect(y[1]).toBe(1 + 3 * i);
      expect(n[0]).toBe(1n);
    }
    binding.dispose();
    session.dispose();
  });

  it('writes the optimized graph where asked', () => {
    const optimizedModelPath = join(dir, 'optimized.onnx');
    createSession(model, { optimizedModelPath }).dispose();
    createSession(optimizedModelPath).dispose();
  });

  it('reports a missing, a broken and a truncated model as data errors with the path', () => {
    const broken = join(dir, 'broken.onnx');
    writeFileSync(broken, 'not a model');
    const cut = join(dir, 'cut.onnx');
    writeOnnxModel(cut, graph, { externalFile: 'cut.bin', externalBytes: 16 });
    truncateSync(join(dir, 'cut.bin'), 10);
    for (const path of [join(dir, 'absent.onnx'), broken, cut]) {
      const error = failure(() => createSession(path));
      expect([error.kind, error.where]).toEqual(['data', path]);
    }
  });

  it("passes on ONNX Runtime's message when a run has the wrong shape, dtype or name", () => {
    const session = createSession(model, { threads: 1 });
    expect(failure(() => session.run({ x: ortTensor(new Float32Array(4), [1, 4]) }, ['y'])).message).toMatch(
      /invalid dimensions/i,
    );
    expect(failure(() => session.run({ x: ortTensor(new Int32Array(3), [1, 3]) }, ['y'])).message).toMatch(/data type/);
    expect(failure(() => session.run({ z: ortTensor(new Float32Array(3), [1, 3]) }, ['y'])).message).toMatch(/z/);
    session.dispose();
  });

  it('refuses to run after it was disposed, and disposes twice without harm', () => {
    const session = createSession(model, { threads: 1 });
    const binding = session.binding();
    session.dispose();
    session.dispose();
    binding.dispose();
    expect(failure(() => binding.run()).kind).toBe('bug');
    expect(failure(() => session.run({}, ['y'])).kind).toBe('bug');
    expect(ortApi().openSessions.size).toBe(0);
  });

  it('holds its memory over 2,000 runs and 200 bindings', () => {
    const session = createSession(model, { threads: 1 });
    const work = (runs: number) => {
      for (let i = 0; i < runs; i++) {
        const x = ortTensor(new Float32Array(3 * 1000), [1000, 3]);
        session.run({ x }, ['y', 'n']); // 256 KB of output each
        if (i % 10 === 0) {
          const binding = session.binding();
          binding.bindInput('x', x);
          binding.bindOutput('y', ortTensor(new Float32Array(1000 * columns), [1000, columns]));
          binding.run();
          binding.dispose();
        }
        x.dispose();
      }
    };
    work(500);
    const before = process.memoryUsage().rss;
    work(2000);
    const grownBytes = process.memoryUsage().rss - before;
    expect(grownBytes).toBeLessThan(100 * 2 ** 20); // a leak of the outputs alone would be 512 MB
    session.dispose();
  });
});
