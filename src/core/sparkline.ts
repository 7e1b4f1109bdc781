const bars = '▁▂▃▄▅▆▇█';

/** Figures as at most `width` bars between the least and the greatest, neighbours averaged; non-finite ones are left out. */
export function sparkline(values: readonly number[], width: number): string {
  const finite = values.filter((value) => Number.isFinite(value));
  const count = Math.min(width, finite.length);
  if (count < 2) return '';
  const shown = Array.from({ length: count }, (_, i) => {
    const bucket = finite.slice(Math.floor((i * finite.length) / count), Math.floor(((i + 1) * finite.length) / count));
    return bucket.reduce((sum, value) => sum + value, 0) / bucket.length;
  });
  const least = Math.min(...shown);
  const span = Math.max(...shown) - least;
  return shown.map((value) => bars[span === 0 ? 0 : Math.round(((value - least) / span) * (bars.length - 1))]).join('');
}

/** A bar of `width` columns, filled in eighths. */
export function progressBar(fraction: number, width: number): { filled: string; empty: string } {
  const eighths = Math.round(Math.min(1, Math.max(0, fraction)) * width * 8);
  const whole = Math.floor(eighths / 8);
  const part = ' ▏▎▍▌▋▊▉'[eighths % 8]!;
  const filled = '█'.repeat(whole) + (eighths % 8 === 0 ? '' : part);
  return { filled, empty: '░'.repeat(width - filled.length) };
}
