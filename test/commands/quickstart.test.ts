import { describe, expect, it } from 'vitest';
import { report, type QuickstartFigures, type Scores } from '../../src/commands/quickstart/report.ts';
import { runStage } from '../../src/commands/quickstart/stage.ts';
import { LlmkitError } from '../../src/core/errors.ts';
import type { CommandContext, LlmkitEvent } from '../../src/core/events.ts';
import { folderOf } from '../config/helpers.ts';

const scores = (accuracy: number, perplexity: number, ok = true): Scores => ({
  accuracy,
  perplexity,
  ok,
  verdict: 'V',
});

const figures: QuickstartFigures = {
  base: scores(0.05, 100),
  merged: scores(0.9, 1.2),
  quantized: scores(0.875, 1.206),
  loss: [{ stage: 'finetuning', first: 2, last: 0.1 }],
  answers: {
    merged: [100, 300, 200].map((tokensPerSecond) => ({ question: 'Q', answer: 'A', tokensPerSecond })),
    quantized: [400, 100, 500].map((tokensPerSecond) => ({ question: 'Q', answer: 'A', tokensPerSecond })),
  },
  bytes: { merged: 4e6, quantized: 1e6, adapter: 1e5 },
  engine: 'E',
  artifacts: [],
  config: '../llmkit/configs/quickstart.yaml',
  setupMs: 1000,
  lifeMs: 90_000,
};

describe("quickstart's report", () => {
  it('shows what LoRA and int8 changed, with the middle speed of the answers', () => {
    const { ok, summary, tables, next } = report(figures);
    const cells = Object.fromEntries(tables![0]!.rows as [string, string][]);
    expect(ok).toBe(true);
    expect(summary).toBe('gate passed: held-out intents 5.0% → 90.0%; the whole life in 1m 30s on E');
    expect(next).toMatch(/^llmkit generate -c \.\.\/llmkit\/configs\/quickstart\.yaml /);
    expect(cells).toMatchObject({
      'perplexity, int8': '1.206 (0.50% higher)',
      'speed of answering, fp32 → int8': '200 tokens/s → 400 tokens/s (2.00×)',
    });
  });

  it('fails when the gate of either model fails, and never for the speed of int8', () => {
    expect(report({ ...figures, merged: scores(0.7, 1.2, false) }).ok).toBe(false);
    expect(report({ ...figures, quantized: scores(0.7, 1.2, false) }).ok).toBe(false);
    const slow = {
      ...figures.answers,
      quantized: figures.answers.merged.map((one) => ({ ...one, tokensPerSecond: 1 })),
    };
    expect(report({ ...figures, answers: slow }).ok).toBe(true);
  });
});

/** Stages are processes of the built command line. */
describe('a stage of quickstart', () => {
  const world = (cwd: string): { context: CommandContext; events: LlmkitEvent[]; stop: AbortController } => {
    const events: LlmkitEvent[] = [];
    const stop = new AbortController();
    return { context: { emit: (event) => events.push(event), signal: stop.signal, cwd }, events, stop };
  };

  it('hands back the result of its command', async () => {
    const dir = folderOf({ 'a.yaml': 'version: 1\noutput_dir: out\n' });
    const { result } = await runStage(['config', 'check', '-c', 'a.yaml'], world(dir).context);
    expect(result).toMatchObject({ ok: true });
  });

  it('ends the stages that are open, and throws what its command failed with', async () => {
    const dir = folderOf({
      'a.yaml': 'version: 1\noutput_dir: out\nprepare: { sources: [{ path: a.jsonl }], tokenizer: { type: bpe } }\n',
      'a.jsonl': '{"text": \n',
    });
    const { context, events } = world(dir);
    const failure = await runStage(['prepare', '-c', 'a.yaml'], context).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(LlmkitError);
    expect(failure).toMatchObject({ kind: 'data', where: expect.stringContaining('a.jsonl:1') });
    expect(events[0]).toMatchObject({ type: 'start', command: 'prepare' });
    const stages = events.filter((event) => event.type === 'stage').map(({ stage, status }) => `${stage} ${status}`);
    expect(stages.slice(-2)).toEqual(['read begin', 'read end']);
  });

  it('throws every error of a config', async () => {
    const dir = folderOf({ 'a.yaml': 'version: 1\noutput_dir: out\nseeed: 1\nprepere: {}\n' });
    const failure = await runStage(['prepare', '-c', 'a.yaml'], world(dir).context).catch((error: unknown) => error);
    expect(failure).toMatchObject({ kind: 'config', errors: [{ kind: 'config' }, { kind: 'config' }] });
  });

  it('is interrupted when quickstart is', async () => {
    const dir = folderOf({ 'a.yaml': 'version: 1\noutput_dir: out\n' });
    const { context, stop } = world(dir);
    stop.abort();
    const failure = await runStage(['doctor'], context).catch((error: unknown) => error);
    expect(failure).toMatchObject({ kind: 'interrupted' });
  });
});
