import { reshape, slice } from '../graph/index.ts';
import type { Value } from '../graph/index.ts';
import type { RowRuns } from '../model/spec.ts';

/** One role's part of what a fused matrix gives: y [..., rows of the matrix] to [..., rows of the role]. */
export function takeRuns(y: Value, { start, size, stride, count }: RowRuns): Value {
  const axis = y.shape.length - 1;
  if (count === 1) return slice(y, axis, start, size);
  const lead = y.shape.slice(0, -1);
  const runs = reshape(y, [...lead, count, stride]);
  return reshape(slice(runs, axis + 1, start, size), [...lead, count * size]);
}
