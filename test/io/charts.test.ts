import { describe, expect, it } from 'vitest';
import { barChart, lineChart } from '../../src/io/charts.ts';

describe('barChart', () => {
  const options = {
    title: 'rows',
    bars: [
      { name: 'read', value: 4, label: 'four' },
      { name: 'kept', value: 2 },
    ],
  };

  it('draws every bar with its name and label, high as its value, as one SVG element', async () => {
    const svg = await barChart('a', options);
    expect(svg).toMatch(/^<svg [^]*<\/svg>\s*$/);
    for (const text of ['rows', 'read', 'kept', 'four', '>2<']) expect(svg).toContain(text);
    // A bar is "M left bottom l width 0 l 0 -height": the second is half as high as the first.
    const heights = [...svg.matchAll(/<path d="M[\d.]+ [\d.]+l[\d.]+ 0l0 -([\d.]+)l-[\d.]+ 0Z" fill="#3b7dd8"/g)];
    const [first, second] = heights.map((match) => Number(match[1]));
    expect(heights).toHaveLength(2);
    expect(first! / second!).toBeCloseTo(2, 1);
  });

  it('gives the same text for the same bars, and names that do not meet those of another chart', async () => {
    const again = { ...options, horizontal: true };
    expect(await barChart('a', again)).toBe(await barChart('a', again));
    expect(await barChart('a', options)).not.toMatch(/zr\d/);
  });

  it('escapes what would be markup', async () => {
    const svg = await barChart('a', { title: '<b>', bars: [{ name: '<script>', value: 1 }] });
    expect(svg).not.toContain('<script>');
    expect(svg).toContain('&lt;script&gt;');
  });
});

describe('lineChart', () => {
  const options = {
    title: 'loss',
    xName: 'step',
    lines: [
      { name: 'of a step', points: [1, 2, 3].map((x) => [x, 4 - x] as const), faint: true },
      { name: 'smoothed', points: [1, 2, 3].map((x) => [x, 2] as const) },
    ],
  };

  it('draws every line with its name over a common axis, as one SVG element that is always the same', async () => {
    const svg = await lineChart('a', options);
    expect(svg).toMatch(/^<svg [^]*<\/svg>\s*$/);
    for (const text of ['loss', 'step', 'of a step', 'smoothed']) expect(svg).toContain(`>${text}<`);
    // The second line is level: it goes straight from left to right.
    expect(svg).toMatch(/<path d="M[\d.]+ ([\d.]+)L[\d.]+ \1L[\d.]+ \1"[^>]* stroke="#d9730d"/);
    expect(svg).toContain('stroke="#3b7dd8"');
    expect(await lineChart('a', options)).toBe(svg);
  });

  it('leaves out what is not finite, and needs no point at all', async () => {
    const broken = { title: 'x', lines: [{ name: 'a', points: [[1, Number.NaN] as const, [2, 1] as const] }] };
    expect(await lineChart('a', broken)).not.toContain('NaN');
    expect(await lineChart('a', { title: 'x', lines: [] })).toContain('</svg>');
  });
});
