import { describe, expect, it } from 'vitest';
import {
  cholesky,
  inverseCholeskyUpper,
  invertLowerTransposed,
  subtractProductTransposed,
} from '../../src/core/linalg.ts';

function noise(length: number, seed: number): Float64Array {
  const out = new Float64Array(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    out[i] = state / 0x40000000 - 1;
  }
  return out;
}

/** X X^T / n plus a little on the diagonal: symmetric positive definite, not diagonally dominant. */
function positiveDefinite(n: number): Float64Array {
  const x = noise(n * 2 * n, n + 1);
  const h = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      let sum = i === j ? 0.01 : 0;
      for (let k = 0; k < 2 * n; k++) sum += (x[i * 2 * n + k]! * x[j * 2 * n + k]!) / n;
      h[i * n + j] = sum;
    }
  }
  return h;
}

// Sizes below, at, just above and far from the block of 64.
const SIZES = [1, 2, 3, 63, 64, 65, 130, 257];

describe('subtractProductTransposed', () => {
  it.each([
    [1, 1, 1],
    [2, 4, 8],
    [3, 5, 7],
    [65, 67, 131],
  ])('equals the plain triple loop at %i x %i x %i, inside a larger matrix', (rows, columns, depth) => {
    const stride = 140;
    const a = noise(rows * stride, 1);
    const b = noise(columns * stride, 2);
    const c = noise(rows * stride, 3);
    const expected = c.slice();
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++)
        for (let k = 0; k < depth; k++)
          expected[i * stride + j + 2]! -= a[i * stride + k + 1]! * b[j * stride + k + 3]!;
    subtractProductTransposed(
      { data: c, offset: 2, stride },
      { data: a, offset: 1, stride },
      { data: b, offset: 3, stride },
      rows,
      columns,
      depth,
    );
    let worst = 0;
    for (let i = 0; i < c.length; i++) worst = Math.max(worst, Math.abs(c[i]! - expected[i]!));
    expect(worst).toBeLessThan(1e-12);
  });
});

describe('cholesky', () => {
  it.each(SIZES)('of a %i-square matrix gives L with L L^T = A', (n) => {
    const a = positiveDefinite(n);
    const l = a.slice();
    expect(cholesky(l, n)).toBe(true);
    let worst = 0;
    for (let i = 0; i < n; i++)
      for (let j = 0; j <= i; j++) {
        let sum = 0;
        for (let k = 0; k <= j; k++) sum += l[i * n + k]! * l[j * n + k]!;
        worst = Math.max(worst, Math.abs(sum - a[i * n + j]!));
      }
    expect(worst).toBeLessThan(1e-11);
  });

  it('leaves the strict upper triangle alone', () => {
    const n = 70;
    const a = positiveDefinite(n);
    for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) a[i * n + j] = 7;
    cholesky(a, n);
    for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) expect(a[i * n + j]).toBe(7);
  });

  it.each([
    ['indefinite', [1, 2, 2, 1]],
    ['singular', [1, 1, 1, 1]],
    ['not a number', [Number.NaN, 0, 0, 1]],
    ['infinite', [Infinity, 0, 0, 1]],
  ])('says no to an %s matrix', (_name, values) => {
    expect(cholesky(Float64Array.from(values), 2)).toBe(false);
  });
});

describe('invertLowerTransposed', () => {
  it.each(SIZES)('of a %i-square factor gives L X = I', (n) => {
    const l = positiveDefinite(n);
    cholesky(l, n);
    const x = l.slice();
    invertLowerTransposed(x, n);
    let worst = 0;
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let k = j; k <= i; k++) sum += l[i * n + k]! * x[j * n + k]!;
        worst = Math.max(worst, Math.abs(sum - (i === j ? 1 : 0)));
      }
    expect(worst).toBeLessThan(1e-11);
  });
});

describe('inverseCholeskyUpper', () => {
  it.each(SIZES)('of a %i-square H gives upper triangular U with U H U^T = I', (n) => {
    const h = positiveDefinite(n);
    const before = h.slice();
    const u = inverseCholeskyUpper(h, n)!;
    expect(h).toEqual(before);
    const uh = new Float64Array(n * n);
    for (let i = 0; i < n; i++)
      for (let k = i; k < n; k++) for (let j = 0; j < n; j++) uh[i * n + j]! += u[i * n + k]! * h[k * n + j]!;
    let worst = 0;
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let k = 0; k < n; k++) sum += uh[i * n + k]! * u[j * n + k]!;
        worst = Math.max(worst, Math.abs(sum - (i === j ? 1 : 0)));
        if (j < i) expect(u[i * n + j]).toBe(0);
      }
    expect(worst).toBeLessThan(1e-10);
    for (let i = 0; i < n; i++) expect(u[i * n + i]).toBeGreaterThan(0);
  });

  it('is undefined for a matrix that is not positive definite', () => {
    expect(inverseCholeskyUpper(Float64Array.from([1, 2, 2, 1]), 2)).toBeUndefined();
  });
});
