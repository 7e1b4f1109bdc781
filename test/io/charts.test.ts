import { describe, expect, it } from 'vitest';
import { barChart } from '../../src/io/charts.ts';

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
