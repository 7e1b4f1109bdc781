import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { studentQuantile } from '../../src/core/stats.ts';
import { makeBaseline, readBaseline, writeBaseline } from '../../src/eval/baseline.ts';
import { checkGates, verdict } from '../../src/eval/gate.ts';
import { accuracyMetric, bitsMetric, perplexityMetric, type TaskResult } from '../../src/eval/metrics.ts';
import { failure } from '../support/failure.ts';

function task(name: string, ...metrics: TaskResult['metrics']): TaskResult {
  return { task: name, type: name, metrics, samples: [], n: { original: 1, effective: 1 }, config: {}, version: 1 };
}

const tokens = [10, 20, 15, 30, 25, 12];
/** Perplexity over six documents, each `perToken` (and a little more or less) nats a token. */
function ppl(perToken: number, wobble = 0, ids = tokens.map((_, i) => `d${i}`)): TaskResult {
  const documents = tokens.map((weight, i) => ({
    id: ids[i]!,
    weight,
    logProb: -weight * (perToken + wobble * (i % 2 === 0 ? 1 : -1)),
  }));
  return task('perplexity', perplexityMetric('perplexity', '', documents));
}

function intents(correct: number[]): TaskResult {
  return task(
    'intents',
    accuracyMetric(
      'acc',
      '',
      correct.map((_, i) => `q${i}`),
      correct,
    ),
  );
}

describe('absolute bounds', () => {
  it('hold a metric from below and above', () => {
    const result = [intents([1, 1, 1, 0])];
    expect(checkGates({ acc: { min: 0.75 } }, result, undefined)).toMatchObject([{ pass: true, value: 0.75 }]);
    expect(checkGates({ acc: { min: 0.76 } }, result, undefined)).toMatchObject([{ pass: false }]);
    expect(checkGates({ acc: { max: 0.75 } }, result, undefined)).toMatchObject([{ pass: true }]);
    expect(checkGates({ acc: { min: 0.1, max: 0.7 } }, result, undefined).map(({ pass }) => pass)).toEqual([
      true,
      false,
    ]);
  });

  it('are named by metric, task or both', () => {
    const results = [intents([1, 0]), ppl(1)];
    for (const gate of ['acc', 'intents', 'intents.acc']) {
      expect(checkGates({ [gate]: { min: 0.5 } }, results, undefined)).toMatchObject([
        { task: 'intents', metric: 'acc', pass: true },
      ]);
    }
  });

  it('fail closed: a metric that was not measured, or is not a number', () => {
    const [missing] = checkGates({ acc_norm: { min: 0 } }, [intents([1])], undefined);
    expect(missing).toMatchObject({
      pass: false,
      value: undefined,
      message: 'acc_norm was not measured; there are intents.acc',
    });
    const [nan] = checkGates({ acc: { min: 0 } }, [intents([])], undefined);
    expect(nan).toMatchObject({ pass: false });
    const infinite = task(
      'perplexity',
      perplexityMetric('perplexity', '', [{ id: 'a', logProb: -Infinity, weight: 1 }]),
    );
    expect(checkGates({ perplexity: { max: 100 } }, [infinite], undefined)).toMatchObject([{ pass: false }]);
  });
});

describe('regression of perplexity', () => {
  it('is bounded by the paired 95% upper bound of the ratio', () => {
    const baseline = makeBaseline('base', [ppl(2)]);
    const now = ppl(2.003, 0.001);
    const [check] = checkGates({ perplexity: { max_regression: 0.01 } }, [now], baseline);
    // By hand: nats lost a document, over its tokens; the ratio of sums and its linearized standard error.
    const lost = tokens.map((t, i) => t * (0.003 + 0.001 * (i % 2 === 0 ? 1 : -1)));
    const all = tokens.reduce((a, b) => a + b);
    const ratio = lost.reduce((a, b) => a + b) / all;
    const spread = lost.reduce((sum, x, i) => sum + (x - ratio * tokens[i]!) ** 2, 0);
    const upper = ratio + (studentQuantile(0.95, 5) * Math.sqrt((spread * 6) / 5)) / all;
    expect(check!.value).toBeCloseTo(Math.expm1(upper), 10);
    expect(check!.value).toBeGreaterThan(Math.expm1(0.003));
    expect(check).toMatchObject({ pass: true, bound: 'max_regression' });
    expect(checkGates({ perplexity: { max_regression: 0.003 } }, [now], baseline)).toMatchObject([{ pass: false }]);
  });

  it('passes a model that is the same or better', () => {
    const baseline = makeBaseline('base', [ppl(2)]);
    expect(checkGates({ perplexity: { max_regression: 0 } }, [ppl(2)], baseline)).toMatchObject([
      { pass: true, value: 0 },
    ]);
    expect(checkGates({ perplexity: { max_regression: 0 } }, [ppl(1.9)], baseline)).toMatchObject([{ pass: true }]);
  });

  it('fails closed: no baseline, other documents, no such metric in it, too few documents', () => {
    const gate = { perplexity: { max_regression: 1 } };
    const check = (result: TaskResult, baseline = makeBaseline('base', [ppl(2)])): string => {
      const [found] = checkGates(gate, [result], baseline);
      expect(found!.pass).toBe(false);
      return found!.message;
    };
    expect(checkGates(gate, [ppl(2)], undefined)).toMatchObject([
      { pass: false, message: expect.stringMatching(/no baseline/) },
    ]);
    expect(check(ppl(2, 0, ['x', 'd1', 'd2', 'd3', 'd4', 'd5']))).toMatch(/other documents/);
    expect(check(ppl(2), makeBaseline('base', [intents([1])]))).toMatch(/no perplexity.perplexity/);
    const fewerTokens = makeBaseline('base', [ppl(2)]);
    const paired = fewerTokens.tasks['perplexity']!['perplexity']!.paired as { weights: number[] };
    paired.weights[2]! -= 1;
    expect(check(ppl(2), fewerTokens)).toMatch(/with another tokenizer/);
    const one = (logProb: number): TaskResult =>
      task('perplexity', perplexityMetric('perplexity', '', [{ id: 'a', logProb, weight: 3 }]));
    expect(check(one(-3), makeBaseline('base', [one(-3)]))).toMatch(/unbounded/);
  });
});

describe('regression of bits per byte', () => {
  const bits = (perToken: number, wobble = 0): TaskResult => {
    const bytes = ppl(perToken, wobble).metrics[0]!;
    return task('perplexity', bytes, bitsMetric('bits_per_byte', '', bytes));
  };

  it('is a share of the bits, not of the perplexity that has them as exponent', () => {
    const baseline = makeBaseline('base', [bits(2)]);
    const gate = (limit: number) =>
      checkGates({ bits_per_byte: { max_regression: limit } }, [bits(2.02)], baseline)[0]!;
    // 1% more bits; byte_perplexity would be 2% higher.
    expect(gate(0.0101)).toMatchObject({
      pass: true,
      message: expect.stringMatching(/^bits_per_byte is 1\.00% above/),
    });
    expect(gate(0.0101).value).toBeCloseTo(0.01, 10);
    expect(gate(0.0099).pass).toBe(false);
  });

  it('has the 95% upper bound of the ratio, by linearization', () => {
    const [then, now] = [bits(2), bits(2.02, 0.01)];
    const [check] = checkGates({ bits_per_byte: { max_regression: 1 } }, [now], makeBaseline('base', [then]));
    const before = tokens.map((t) => 2 * t);
    const lost = tokens.map((t, i) => t * (0.02 + 0.01 * (i % 2 === 0 ? 1 : -1)));
    const all = before.reduce((a, b) => a + b);
    const ratio = lost.reduce((a, b) => a + b) / all;
    const spread = lost.reduce((sum, x, i) => sum + (x - ratio * before[i]!) ** 2, 0);
    expect(check!.value).toBeCloseTo(ratio + (studentQuantile(0.95, 5) * Math.sqrt((spread * 6) / 5)) / all, 10);
  });
});

describe('regression of accuracy', () => {
  const before = intents([1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
  const baseline = makeBaseline('base', [before]);

  it('is the points lost, with what McNemar says of the answers that changed', () => {
    const now = intents([0, 1, 1, 1, 1, 1, 1, 0, 1, 0]);
    const [check] = checkGates({ acc: { max_regression: 0.1 } }, [now], baseline);
    expect(check).toMatchObject({
      pass: true,
      message: 'acc lost 10.00% (2 answers lost, 1 won, McNemar p 0.5000); allowed 10.00%',
    });
    expect(checkGates({ acc: { max_regression: 0.05 } }, [now], baseline)).toMatchObject([{ pass: false }]);
  });

  it('fails on other questions', () => {
    expect(checkGates({ acc: { max_regression: 1 } }, [intents([1])], baseline)).toMatchObject([{ pass: false }]);
  });
});

describe('the verdict', () => {
  it('is one line that cannot be misread', () => {
    const results = [intents([1, 0])];
    expect(verdict(checkGates({ acc: { min: 0.5 } }, results, undefined))).toBe('PASS: 1 of 1 gate checks');
    expect(verdict(checkGates({ acc: { min: 0.5, max: 0.4 } }, results, undefined))).toBe(
      'FAIL: 1 of 2 gate checks: acc 0.5000 is not at most 0.4000',
    );
    expect(verdict([])).toBe('no gates: nothing was checked');
  });
});

describe('a baseline', () => {
  it('is written and read back, from its file or its folder', () => {
    const dir = mkdtempSync(join(tmpdir(), 'llmkit-baseline-'));
    try {
      const baseline = makeBaseline('merged', [ppl(2), intents([1, 0])]);
      writeBaseline(join(dir, 'baseline.json'), baseline);
      expect(readBaseline(dir)).toEqual(baseline);
      expect(readBaseline(join(dir, 'baseline.json'))).toEqual(baseline);
      expect(checkGates({ perplexity: { max_regression: 0 } }, [ppl(2)], readBaseline(dir))).toMatchObject([
        { pass: true },
      ]);
      expect(failure(() => readBaseline(join(dir, 'nowhere.json')))).toMatchObject({
        kind: 'io',
        where: join(dir, 'nowhere.json'),
        hint: expect.stringMatching(/--update-baseline/),
      });
      writeFileSync(join(dir, 'cut.json'), '{"format": "llmkit-base');
      expect(() => readBaseline(join(dir, 'cut.json'))).toThrow(/not JSON/);
      writeFileSync(join(dir, 'other.json'), '{"results": {}}');
      expect(() => readBaseline(join(dir, 'other.json'))).toThrow(/not a baseline/);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
