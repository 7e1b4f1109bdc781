import { PassThrough } from 'node:stream';
import { cleanup, render } from 'ink-testing-library';
import { afterEach, describe, expect, it } from 'vitest';
import type { LlmkitEvent } from '../../src/core/events.ts';
import { App } from '../../src/tui/app.tsx';
import { startDisplay } from '../../src/tui/index.tsx';
import { DisplayState } from '../../src/tui/state.ts';

afterEach(cleanup);

/** The screen after events at given milliseconds, in a terminal of 100 columns. */
function screen(events: [atMs: number, event: LlmkitEvent][], nowMs: number, verbose = false): string[] {
  const state = new DisplayState(verbose);
  for (const [atMs, event] of events) state.event(event, atMs);
  const { lastFrame } = render(<App state={state} nowMs={nowMs} columns={100} color={false} />);
  return (lastFrame() ?? '')
    .trimEnd()
    .split('\n')
    .map((line) => line.trimEnd());
}

const step = (current: number, total: number | undefined, values?: Record<string, number>): LlmkitEvent => ({
  type: 'step',
  stage: 'train',
  current,
  unit: 'steps',
  ...(total === undefined ? {} : { total }),
  ...(values === undefined ? {} : { values }),
});

describe('the live display', () => {
  it('shows a bar with count, rate, time left, figures and the curve of the loss', () => {
    const lines = screen(
      [
        [0, { type: 'start', command: 'finetune', message: 'training a LoRA adapter' }],
        [0, { type: 'stage', stage: 'train', status: 'begin' }],
        [1000, step(10, 100, { loss: 4 })],
        [2000, step(20, 100, { loss: 3, learning_rate: 1e-4 })],
        [3000, step(30, 100, { loss: 2, learning_rate: 2e-4 })],
      ],
      3000,
    );
    expect(lines[0]).toBe('finetune: training a LoRA adapter');
    expect(lines[1]).toMatch(/^⠋ train █{8}▍░{19} 30\/100 steps · 30% · 10\.0 steps\/s · 7\.0 s left$/);
    expect(lines[2]).toBe('  █▅▁ loss 2 · learning_rate 2.00e-4');
  });

  it('shows what has no end without a bar, and what has no count with its time', () => {
    expect(screen([[0, step(5, undefined)]], 100)[0]).toBe('⠙ train  5 steps');
    expect(screen([[0, { type: 'stage', stage: 'load', status: 'begin', message: 'weights' }]], 2000)[0]).toBe(
      '⠋ load: weights  2.0 s',
    );
  });

  it('lets the time left run down between events', () => {
    const events: [number, LlmkitEvent][] = [
      [0, step(0, 100)],
      [1000, step(10, 100)],
    ];
    expect(screen(events, 1000)[0]).toContain('9.0 s left');
    expect(screen(events, 4000)[0]).toContain('6.0 s left');
  });

  it('turns a stage that ended into a line that stays', () => {
    const lines = screen(
      [
        [0, { type: 'stage', stage: 'train', status: 'begin' }],
        [500, step(50, 100, { loss: 2 })],
        [1000, step(100, 100, { loss: 1.5 })],
        [1000, { type: 'stage', stage: 'train', status: 'end', ms: 1000 }],
        [1000, { type: 'artifact', kind: 'adapter', path: 'runs/a/adapter', bytes: 2_000_000 }],
        [1000, { type: 'warning', message: 'two rows were cut', where: 'a.jsonl:3', hint: 'raise max_length' }],
      ],
      1000,
    );
    expect(lines).toEqual([
      '✓ train: 100 steps · 100 steps/s · loss 1.500, 1.0 s',
      '→ wrote adapter: runs/a/adapter (2.00 MB)',
      '! two rows were cut',
      '  at a.jsonl:3',
      '  hint: raise max_length',
    ]);
  });

  it('shows metrics only when verbose', () => {
    const events: [number, LlmkitEvent][] = [[0, { type: 'metric', name: 'perplexity', value: 7.25 }]];
    expect(screen(events, 0)).toEqual(['']);
    expect(screen(events, 0, true)).toEqual(['  perplexity 7.250']);
  });

  it('draws to the stream it is given and lets go of it', async () => {
    const stream = new PassThrough() as unknown as NodeJS.WriteStream;
    let drawn = '';
    stream.on('data', (chunk: Buffer) => (drawn += chunk.toString()));
    const display = startDisplay({ stream, color: false, verbose: false, now: () => 0 });
    display.event({ type: 'note', message: 'precision bf16' });
    display.event(step(1, 2));
    await display.stop();
    expect(drawn).toContain('precision bf16');
    expect(drawn).toContain('  train: 1/2 steps · 50%\n');
    const length = drawn.length;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(drawn).toHaveLength(length);
  });
});
