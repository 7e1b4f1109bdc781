/** Figures as people read them. Every function is pure and independent of the locale. */

const byteUnits = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Bytes in powers of 1000: `0 B`, `999 B`, `1.50 kB`, `86.4 MB`. */
export function formatBytes(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (Math.abs(value) >= 999.5 && unit < byteUnits.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value.toFixed(0) : threeDigits(value)} ${byteUnits[unit]}`;
}

/** Milliseconds as a person says them: `340 ms`, `4.2 s`, `3m 07s`, `2h 05m`. */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return '?';
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${pad(seconds % 60)}s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)}h ${pad(minutes % 60)}m`;
}

/** A count with thousands separated: `1,234,567`. */
export function formatCount(count: number): string {
  const [whole = '', fraction] = String(count).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** Units per second: `812 tokens/s`, `0.53 steps/s`. */
export function formatRate(perSecond: number, unit: string): string {
  const figure = perSecond >= 100 ? formatCount(Math.round(perSecond)) : threeDigits(perSecond);
  return `${figure} ${unit}/s`;
}

/** A measured value in four significant digits; whole numbers stay whole, the very small and large use an exponent. */
export function formatValue(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return formatCount(value);
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e9) return value.toExponential(2).replace('e+', 'e');
  if (size >= 1000) return formatCount(Math.round(value));
  return value.toPrecision(4);
}

/** A fraction as a percentage: `0.5` is `50.0%`. */
export function formatPercent(fraction: number, digits = 1): string {
  return `${(fraction * 100).toFixed(digits)}%`;
}

function threeDigits(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2);
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}

const byteSizes: Record<string, number> = { '': 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 };
const binarySizes: Record<string, number> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** Bytes from what a person writes: `4GB`, `4.5 GiB`, `800M`, `4000000000`; undefined for anything else. */
export function parseBytes(text: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?)b?|b)?\s*$/i.exec(text);
  if (match === null) return undefined;
  const [, figure, prefix = '', binary = ''] = match;
  const sizes = binary === '' ? byteSizes : binarySizes;
  return Number(figure) * sizes[prefix.toLowerCase()]!;
}
