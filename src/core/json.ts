import { createHash } from 'node:crypto';

/**
 * JSON with object keys sorted at every depth, so that equal values give equal bytes.
 * Keys whose value is undefined are left out; numbers JSON cannot write (NaN, infinities) throw a RangeError.
 *
 * @param indent spaces per level; 0 writes one line.
 */
export function stableStringify(value: unknown, indent = 0): string {
  return JSON.stringify(sorted(value), null, indent);
}

/** sha256 of the stable JSON of `value`, in hex. */
export function hashJson(value: unknown): string {
  return createHash('sha256').update(stableStringify(value)).digest('hex');
}

function sorted(value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError(`JSON has no ${value}`);
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object' || 'toJSON' in value) return value;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}
