import { describe, expect, it } from 'vitest';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatPercent,
  formatRate,
  formatValue,
} from '../../src/core/format.ts';
import { hashJson, stableStringify } from '../../src/core/json.ts';
import { editDistance, nearest } from '../../src/core/nearest.ts';
import { Progress } from '../../src/core/progress.ts';
import { progressBar, sparkline } from '../../src/core/sparkline.ts';
import { displayWidth, formatTable } from '../../src/core/table.ts';

describe('figures for people', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [86_420_000, '86.4 MB'],
    [999_600, '1.00 MB'],
    [3.1e9, '3.10 GB'],
  ])('%d bytes are %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  it.each([
    [12.4, '12 ms'],
    [4200, '4.2 s'],
    [59_960, '1m 00s'],
    [187_000, '3m 07s'],
    [3_599_700, '1h 00m'],
    [7_500_000, '2h 05m'],
    [Infinity, '?'],
  ])('%d milliseconds are %s', (ms, text) => expect(formatDuration(ms)).toBe(text));

  it.each([
    [2.3456, '2.346'],
    [1e-4, '1.00e-4'],
    [0, '0'],
    [1234567, '1,234,567'],
    [12345.6, '12,346'],
    [NaN, 'NaN'],
    [2.5e12 + 0.5, '2.50e12'],
  ])('%d as a value is %s', (value, text) => expect(formatValue(value)).toBe(text));

  it('counts, rates and percentages', () => {
    expect(formatCount(-1234567.25)).toBe('-1,234,567.25');
    expect(formatRate(1234.5, 'tokens')).toBe('1,235 tokens/s');
    expect(formatRate(0.526, 'steps')).toBe('0.53 steps/s');
    expect(formatPercent(0.0534)).toBe('5.3%');
  });
});

describe('stable JSON', () => {
  it('does not depend on the order of keys', () => {
    expect(stableStringify({ b: 1, a: { d: [2, { z: 1, y: undefined }], c: null } })).toBe(
      '{"a":{"c":null,"d":[2,{"z":1}]},"b":1}',
    );
    expect(hashJson({ a: 1, b: 2 })).toBe(hashJson({ b: 2, a: 1 }));
    expect(hashJson({})).toBe('44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a');
  });

  it('refuses what JSON would write as null', () => {
    expect(() => stableStringify({ a: NaN })).toThrow(RangeError);
  });
});

describe('the nearest name', () => {
  it('forgives letters swapped, missing or too many, and gives up when nothing is near', () => {
    expect(editDistance('alhpa', 'alpha')).toBe(1);
    expect(editDistance('', 'abc')).toBe(3);
    expect(nearest('lora_alhpa', ['lora_alpha', 'lora_dropout'])).toBe('lora_alpha');
    expect(nearest('finetun', ['finetune', 'pretrain'])).toBe('finetune');
    expect(nearest('zzz', ['r', 'alpha'])).toBeUndefined();
  });
});

describe('progress', () => {
  const step = (current: number, total?: number) =>
    ({ type: 'step', stage: 's', unit: 'rows', current, ...(total === undefined ? {} : { total }) }) as const;

  it('takes the rate over the last half minute', () => {
    const progress = new Progress(0);
    progress.update(step(0, 10_000), 0);
    for (let second = 1; second <= 60; second += 1) progress.update(step(second, 10_000), second * 1000);
    for (let second = 61; second <= 120; second += 1)
      progress.update(step(60 + (second - 60) * 10, 10_000), second * 1000);
    expect(progress.view(120_000)?.perSecond).toBeCloseTo(10, 5);
  });

  it('of a resumed run does not count what an earlier one did', () => {
    const progress = new Progress(0);
    expect(progress.update(step(500, 1000), 1000).etaMs).toBeUndefined();
    expect(progress.update(step(510, 1000), 2000).etaMs).toBe(49_000);
  });

  it('begins anew when the count falls', () => {
    const progress = new Progress(0);
    progress.update(step(0, 10), 0);
    progress.update(step(10, 10), 1000);
    expect(progress.update(step(1, 10), 2000).perSecond).toBeUndefined();
  });
});

describe('drawing', () => {
  it('curves, bars and widths', () => {
    expect(sparkline([4, 3, 2, 1, NaN], 4)).toBe('█▆▃▁');
    expect(sparkline([4, 4, 3, 3, 2, 2], 3)).toBe('█▅▁');
    expect(sparkline([1], 10)).toBe('');
    expect(progressBar(0.5, 4)).toEqual({ filled: '██', empty: '░░' });
    expect(progressBar(2, 3)).toEqual({ filled: '███', empty: '' });
    expect(displayWidth('挂失 ok')).toBe(7);
    expect(displayWidth('é👍')).toBe(3);
  });
});

describe('a table', () => {
  const table = {
    columns: [{ name: 'check' }, { name: 'found' }, { name: 'hint' }],
    rows: [
      ['cpu', 'eight cores and a very long description of all they have', ''],
      ['disk', 'full', ''],
    ],
  };

  it('leaves out columns with nothing in them', () => {
    expect(formatTable(table)[0]).toBe('check  found');
  });

  it('breaks long cells at spaces to fit the terminal', () => {
    expect(formatTable(table, 40)).toEqual([
      'check  found',
      '─────  ─────────────────────────────────',
      'cpu    eight cores and a very long',
      '       description of all they have',
      'disk   full',
    ]);
  });

  it('breaks what has no spaces', () => {
    const lines = formatTable({ columns: [{ name: 'path' }], rows: [[`/${'x'.repeat(40)}`]] }, 20);
    expect(lines.slice(2)).toEqual([`/${'x'.repeat(19)}`, 'x'.repeat(20), 'x']);
  });
});
