import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LlmkitEvent } from '../../src/core/events.ts';
import { History, smooth } from '../../src/train/report-history.ts';
import { RunWatch } from '../../src/train/report-watch.ts';
import { type TrainingReport, predictionRows, writeTrainingReport } from '../../src/train/report.ts';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'llmkit-watch-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const step = (current: number, loss: number): LlmkitEvent => ({
  type: 'step',
  stage: 'finetune',
  current,
  total: 9,
  unit: 'steps',
  values: { loss, learning_rate: 1e-3 },
});
const validation = (at: number, value: number): LlmkitEvent => ({
  type: 'metric',
  name: 'validation_loss',
  value,
  step: at,
});

describe('the watch over a run', () => {
  let events: LlmkitEvent[] = [];
  const watch = (resume = false, outputDir = folder, reportTo: 'tensorboard' | 'none' = 'tensorboard'): RunWatch => {
    events = [];
    return new RunWatch({ stage: 'finetune', outputDir, reportTo, resume, emit: (event) => events.push(event) });
  };
  const runs = (): string[] => readdirSync(join(folder, 'tensorboard/finetune'));
  const written = (): string =>
    runs()
      .flatMap((run) => readdirSync(join(folder, 'tensorboard/finetune', run)).map((name) => join(run, name)))
      .map((name) => readFileSync(join(folder, 'tensorboard/finetune', name)).toString('latin1'))
      .join('');

  it('hands every event on, adds memory to steps, and writes what steps and validations say', () => {
    const watching = watch();
    watching.emit(step(1, 2));
    watching.emit(validation(1, 2.5));
    watching.emit({ type: 'note', message: 'hello' });
    watching.close();
    expect(events.map(({ type }) => type)).toEqual(['step', 'metric', 'note']);
    const { memory_gb: now, peak_memory_gb: peak } = (events[0] as { values: Record<string, number> }).values;
    expect(now).toBeGreaterThan(0.01);
    expect(peak).toBeGreaterThanOrEqual(now! * 0.5);
    for (const tag of ['train/loss', 'train/learning_rate', 'system/memory_gb', 'eval/loss', 'eval/perplexity'])
      expect(written()).toContain(tag);
  });

  it('goes on in the folder of the run that it resumes, and begins one of its own otherwise', () => {
    const first = watch();
    first.emit(step(1, 2));
    first.close();
    const [run] = runs();
    const resumed = watch(true);
    resumed.emit(step(2, 2));
    resumed.close();
    expect(runs()).toEqual([run]);
    mkdirSync(join(folder, 'tensorboard/finetune', '2000-01-01T00-00-00'));
    const again = watch(true);
    again.emit(step(3, 2));
    again.close();
    expect(readdirSync(join(folder, 'tensorboard/finetune', '2000-01-01T00-00-00'))).toEqual([]);
  });

  it('writes nothing where nothing is wanted', () => {
    const watching = watch(false, folder, 'none');
    watching.emit(step(1, 2));
    watching.close();
    expect(existsSync(join(folder, 'tensorboard'))).toBe(false);
    expect(watching.history.steps).toHaveLength(1);
  });

  it('warns once where it cannot write, and the run goes on', () => {
    writeFileSync(join(folder, 'tensorboard'), 'a file in the way');
    const watching = watch();
    watching.emit(step(1, 2));
    watching.emit(step(2, 2));
    expect(events.map(({ type }) => type)).toEqual(['step', 'warning', 'step']);
  });
});

describe('the history of a run', () => {
  it('keeps a bounded number of steps, evenly spread', () => {
    const history = new History(100);
    for (let i = 1; i <= 1000; i++) history.event(step(i, i));
    expect(history.steps.length).toBeLessThanOrEqual(100);
    expect(history.steps.length).toBeGreaterThan(50);
    const gaps = history.points('loss').map(([x], i, all) => x - (all[i - 1]?.[0] ?? 0));
    expect(new Set(gaps)).toEqual(new Set([16]));
  });

  it('is smoothed without the bias of its beginning', () => {
    expect(
      smooth(
        [
          [1, 5],
          [2, 5],
          [3, Number.NaN],
          [4, 5],
        ],
        0.9,
      ),
    ).toEqual([
      [1, 5],
      [2, expect.closeTo(5)],
      [4, expect.closeTo(5)],
    ]);
    const [, second] = smooth(
      [
        [1, 0],
        [2, 1],
      ],
      0.5,
    );
    expect(second![1]).toBeCloseTo(2 / 3);
  });
});

describe("a training's report", () => {
  const history = new History();
  for (let i = 1; i <= 9; i++) history.event(step(i, 3 - i / 10));
  history.event(validation(9, 2.4));
  history.samples.push({ step: 9, prompt: '<b>', text: 'an <i>answer</i>' });
  const report: TrainingReport = {
    stage: 'finetune',
    history,
    plannedSeconds: 12,
    settings: { learning_rate: 1e-3 },
    estimate: {
      precision: 'fp32',
      memory: 'none',
      data: { shapes: [], totalSteps: 9, stepsPerEpoch: 9, tokens: 90, targets: 45, sampled: false },
      peak: {
        peakBytes: 1.1e9,
        phase: 'gradients',
        largest: { batch: 1, length: 32, band: 32, targets: 32 },
        largestBytes: 1e8,
        parts: {
          engine: 4e8,
          loading: 0,
          samples: 0,
          frozenWeights: 4e8,
          trainedWeights: 1e8,
          optimizerStates: 1e8,
          working: 1e8,
        },
      },
    },
    result: {
      totalSteps: 9,
      firstLoss: 2.9,
      lastLoss: 2.1,
      validationLoss: 2.4,
      tokens: 90,
      targets: 45,
      seconds: 10,
      trainedParameters: 1000,
      engine: 'E',
      precision: 'fp32',
      memory: 'none',
      tokensPerSecond: 9,
      peakBytes: 1e9,
      predictedPeakBytes: 1.1e9,
    },
  };

  it('compares what was predicted with what was measured', () => {
    expect(predictionRows(report)).toEqual([
      ['peak memory', '1.10 GB', '1.00 GB', '+10.0%'],
      ['tokens', '90', '90', '0.0%'],
      ['tokens with a loss', '45', '45', '0.0%'],
      ['time', '12.0 s', '10.0 s', '+20.0%'],
    ]);
    const { plannedSeconds: _none, ...unplanned } = report;
    expect(predictionRows({ ...unplanned, plannedSeconds: undefined }).map(([name]) => name)).not.toContain('time');
  });

  it('is a page of its own with curves, figures and samples, escaped, and a JSON file', async () => {
    await writeTrainingReport(folder, report);
    const html = readFileSync(join(folder, 'report.html'), 'utf8');
    expect(html.match(/<svg /g)!.length).toBeGreaterThanOrEqual(2);
    expect(html).not.toMatch(/(?:src|href)=|<script/);
    for (const text of ['validation loss', '11.023', 'Predicted and measured', 'an &lt;i&gt;answer', '&lt;b&gt;'])
      expect(html).toContain(text);
    expect(readFileSync(join(folder, 'loss.png')).subarray(1, 4).toString()).toBe('PNG');
    expect(JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'))).toMatchObject({
      stage: 'finetune',
      predicted: { peak_bytes: 1.1e9, seconds: 12 },
      result: { peakBytes: 1e9 },
      validation: [{ step: 9, loss: 2.4 }],
    });
  });
});
