import { describe, expect, it } from 'vitest';
import { paintWith, wantsColor } from '../../src/cli/paint.ts';
import { PlainReporter } from '../../src/cli/reporters/plain.ts';
import type { ReporterOptions } from '../../src/cli/reporters/reporter.ts';
import { exitCodeOf, exitCodes } from '../../src/cli/exit-codes.ts';
import { Stopper } from '../../src/cli/stopper.ts';

function plain(flags: Partial<ReporterOptions> = {}) {
  const clock = { ms: 0 };
  const printed = { out: '', err: '' };
  const reporter = new PlainReporter({
    command: 'test',
    quiet: false,
    verbose: false,
    out: (text) => (printed.out += text),
    err: (text) => (printed.err += text),
    columns: Infinity,
    outPaint: paintWith(false),
    errPaint: paintWith(false),
    now: () => clock.ms,
    ...flags,
  });
  const step = (ms: number, current: number, total?: number): void => {
    clock.ms = ms;
    reporter.event({ type: 'step', stage: 'train', current, unit: 'steps', ...(total === undefined ? {} : { total }) });
  };
  return { reporter, printed, step, lines: () => printed.err.trimEnd().split('\n') };
}

describe('the plain reporter', () => {
  it('prints a line at every tenth of a long stage', () => {
    const { step, lines } = plain();
    for (let i = 1; i <= 100; i += 1) step(i * 400, i, 100);
    expect(lines()).toHaveLength(10);
    expect(lines()[4]).toBe('  train 50/100 steps · 50% · 2.50 steps/s · 20.0 s left');
  });

  it('does not flood the log when a stage is over in a moment', () => {
    const { step, printed } = plain();
    for (let i = 1; i <= 100; i += 1) step(i * 5, i, 100);
    expect(printed.err).toBe('');
  });

  it('prints a line after five seconds of silence, later less often', () => {
    const { step, lines } = plain();
    for (let second = 0; second <= 60; second += 1) step(second * 1000, second);
    expect(lines()).toHaveLength(12);
    for (let second = 61; second <= 3600; second += 1) step(second * 1000, second);
    expect(lines().length).toBeLessThan(120);
  });

  it('tells what a finished stage did', () => {
    const { reporter, step, lines } = plain();
    reporter.event({ type: 'stage', stage: 'train', status: 'begin', message: 'two epochs' });
    step(0, 0, 1000);
    step(500, 1000, 1000);
    reporter.event({ type: 'stage', stage: 'train', status: 'end', ms: 510 });
    expect(lines()).toEqual(['  train: two epochs', '  train done: 1,000 steps · 2,000 steps/s, 510 ms']);
  });

  it('prints tables and summary on standard output, wide characters aligned', () => {
    const { reporter, printed } = plain();
    reporter.done({
      ok: true,
      summary: 'accuracy 91.2%',
      data: {},
      next: 'llmkit eval',
      tables: [
        {
          title: 'Intents',
          columns: [{ name: 'intent' }, { name: 'n', align: 'right' }],
          rows: [
            ['挂失', '12'],
            ['loan', '3'],
          ],
        },
      ],
    });
    expect(printed.out).toBe('Intents\nintent   n\n──────  ──\n挂失    12\nloan     3\n\n✓ accuracy 91.2%\n');
    expect(printed.err).toBe('next: llmkit eval\n');
  });

  it('streams text to standard output and keeps the rest away from it', () => {
    const { reporter, printed } = plain();
    for (const text of ['I am', ' here']) reporter.event({ type: 'text', text });
    reporter.done({ ok: true, summary: '2 tokens', data: {} });
    expect(printed).toEqual({ out: 'I am here\n', err: '✓ 2 tokens\n' });
  });
});

describe('colours', () => {
  it('need a terminal and neither NO_COLOR nor --no-color', () => {
    const tty = { isTTY: true };
    expect(wantsColor(tty, true, {})).toBe(true);
    expect(wantsColor(tty, true, { NO_COLOR: '1' })).toBe(false);
    expect(wantsColor(tty, true, { NO_COLOR: '' })).toBe(true);
    expect(wantsColor(tty, false, {})).toBe(false);
    expect(wantsColor(tty, true, { TERM: 'dumb' })).toBe(false);
    expect(wantsColor({}, true, {})).toBe(false);
    expect(wantsColor({}, true, { FORCE_COLOR: '1' })).toBe(true);
  });
});

describe('the exit-code table', () => {
  it('is the documented one', () => {
    expect(exitCodes).toEqual({
      ok: 0,
      gate: 1,
      usage: 2,
      config: 2,
      environment: 3,
      data: 4,
      io: 4,
      bug: 70,
      interrupted: 130,
    });
    expect(exitCodeOf('interrupted', 'SIGTERM')).toBe(143);
    expect(exitCodeOf('interrupted', 'SIGINT')).toBe(130);
    expect(exitCodeOf('data', 'SIGTERM')).toBe(4);
  });
});

describe('the stopper', () => {
  it('asks on the first signal and kills on the second', () => {
    const killed: string[] = [];
    const stopper = new Stopper((signal) => killed.push(signal));
    const asked: string[] = [];
    stopper.onStop((signal) => asked.push(signal));
    expect(new Int32Array(stopper.flag)[0]).toBe(0);
    stopper.stop('SIGINT');
    expect(new Int32Array(stopper.flag)[0]).toBe(1);
    expect([asked, killed]).toEqual([['SIGINT'], []]);
    stopper.stop('SIGINT');
    expect(killed).toEqual(['SIGINT']);
    stopper.onStop((signal) => asked.push(`late ${signal}`));
    expect(asked).toEqual(['SIGINT', 'late SIGINT']);
  });
});
