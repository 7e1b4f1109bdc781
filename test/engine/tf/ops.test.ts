import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TfEngine, TfTensor } from '../../../src/engine/tf/types.ts';
import { WasmEngine } from '../../../src/engine/tf/wasm.ts';
import { hardCases } from './op-cases-hard.ts';
import { mathCases } from './op-cases-math.ts';
import { moveCases } from './op-cases-moves.ts';
import { caseGraph, type OpCase } from './ops.ts';
import { nativeEngine, nativeInstall } from './native-or-skip.ts';

const cases = [...mathCases, ...moveCases, ...hardCases];
const title = (opCase: OpCase): string => (opCase.label === undefined ? opCase.op : `${opCase.op}, ${opCase.label}`);

/** Largest difference from the expected values; shapes and dtypes must be equal. */
function runCase(engine: TfEngine, opCase: OpCase): number {
  const program = engine.load(caseGraph(opCase));
  const feeds: Record<string, TfTensor> = {};
  for (const [index, { data, shape, dtype, constant }] of opCase.inputs.entries()) {
    if (constant !== true) feeds[`in${index}`] = engine.tensor(data.slice(), shape, dtype);
  }
  let worst = 0;
  try {
    const results = program.run(feeds);
    for (const [index, output] of opCase.outputs.entries()) {
      const tensor = results[`out${index}`]!;
      expect({ dtype: tensor.dtype, shape: [...tensor.shape] }).toEqual({ dtype: output.dtype, shape: output.shape });
      const values = engine.read(tensor);
      for (const [at, value] of output.expected.entries()) {
        worst = Math.max(worst, Object.is(value, values[at]) ? 0 : Math.abs(value - values[at]!));
      }
      tensor.dispose();
    }
  } finally {
    for (const tensor of Object.values(feeds)) tensor.dispose();
    program.dispose();
  }
  return worst;
}

const kinds = nativeInstall === undefined ? (['wasm'] as const) : (['native', 'wasm'] as const);

describe.for(kinds)('ops on the %s engine', (kind) => {
  let engine: TfEngine;
  beforeAll(async () => {
    engine = kind === 'wasm' ? await WasmEngine.create() : nativeEngine();
  });
  afterAll(() => engine?.dispose());

  for (const opCase of cases) {
    const wasm = kind === 'wasm' ? opCase.wasm : 'runs';
    if (wasm === 'runs') {
      it(`${title(opCase)} answers as TensorFlow defines and leaks nothing`, () => {
        const before = engine.numTensors();
        // Both engines compute in fp32; 1e-5 is about 100 ulp of the largest expected value.
        expect(runCase(engine, opCase)).toBeLessThan(opCase.tolerance ?? 1e-5);
        expect(engine.numTensors()).toBe(before);
      });
    } else if (wasm === 'lacks') {
      it(`${title(opCase)} is refused`, () => {
        expect(() => runCase(engine, opCase)).toThrow(/wasm engine/);
      });
    } else {
      it(`${title(opCase)} is still wrong, as docs/engine-ops.md says`, () => {
        expect(runCase(engine, opCase)).toBeGreaterThan(0.1);
      });
    }
  }
});
