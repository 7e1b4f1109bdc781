/**
 * Dense linear algebra in float64 for quantization: row-major typed arrays, blocked so that the working set of the
 * inner kernel stays in cache. Everything here reduces to one kernel, the product of a matrix with a transposed one,
 * because both of its operands are then read along rows.
 */

/** Rows and columns of a tile: two tiles of float64 fill half of a 64 KiB cache. */
const BLOCK = 64;

/** A window into a row-major matrix: element (i, j) lies at `offset + i * stride + j`. */
export interface MatrixView {
  data: Float64Array;
  offset: number;
  stride: number;
}

/**
 * C[i, j] -= sum over k of A[i, k] B[j, k], for C [rows, columns], A [rows, depth], B [columns, depth].
 * The three views may lie in one array as long as C does not overlap A or B.
 */
export function subtractProductTransposed(
  c: MatrixView,
  a: MatrixView,
  b: MatrixView,
  rows: number,
  columns: number,
  depth: number,
): void {
  for (let k = 0; k < depth; k += 2 * BLOCK) {
    const length = Math.min(2 * BLOCK, depth - k);
    for (let j = 0; j < columns; j += BLOCK) {
      const width = Math.min(BLOCK, columns - j);
      const bTile = { data: b.data, offset: b.offset + j * b.stride + k, stride: b.stride };
      const aTile = { data: a.data, offset: a.offset + k, stride: a.stride };
      subtractTile({ data: c.data, offset: c.offset + j, stride: c.stride }, aTile, bTile, rows, width, length);
    }
  }
}

/** The inner kernel: 2 x 4 accumulators, which is what the sixteen vector registers hold without spilling. */
function subtractTile(c: MatrixView, a: MatrixView, b: MatrixView, rows: number, columns: number, depth: number): void {
  const A = a.data;
  const B = b.data;
  const C = c.data;
  let i = 0;
  for (; i + 2 <= rows; i += 2) {
    const a0 = a.offset + i * a.stride;
    const a1 = a0 + a.stride;
    const c0 = c.offset + i * c.stride;
    const c1 = c0 + c.stride;
    let j = 0;
    for (; j + 4 <= columns; j += 4) {
      const b0 = b.offset + j * b.stride;
      const b1 = b0 + b.stride;
      const b2 = b1 + b.stride;
      const b3 = b2 + b.stride;
      let s00 = 0;
      let s01 = 0;
      let s02 = 0;
      let s03 = 0;
      let s10 = 0;
      let s11 = 0;
      let s12 = 0;
      let s13 = 0;
      for (let k = 0; k < depth; k++) {
        const x0 = A[a0 + k]!;
        const x1 = A[a1 + k]!;
        const y0 = B[b0 + k]!;
        const y1 = B[b1 + k]!;
        const y2 = B[b2 + k]!;
        const y3 = B[b3 + k]!;
        s00 += x0 * y0;
        s01 += x0 * y1;
        s02 += x0 * y2;
        s03 += x0 * y3;
        s10 += x1 * y0;
        s11 += x1 * y1;
        s12 += x1 * y2;
        s13 += x1 * y3;
      }
      C[c0 + j]! -= s00;
      C[c0 + j + 1]! -= s01;
      C[c0 + j + 2]! -= s02;
      C[c0 + j + 3]! -= s03;
      C[c1 + j]! -= s10;
      C[c1 + j + 1]! -= s11;
      C[c1 + j + 2]! -= s12;
      C[c1 + j + 3]! -= s13;
    }
    for (; j < columns; j++) {
      const bj = b.offset + j * b.stride;
      C[c0 + j]! -= dot(A, a0, B, bj, depth);
      C[c1 + j]! -= dot(A, a1, B, bj, depth);
    }
  }
  for (; i < rows; i++) {
    const ai = a.offset + i * a.stride;
    const ci = c.offset + i * c.stride;
    for (let j = 0; j < columns; j++) C[ci + j]! -= dot(A, ai, B, b.offset + j * b.stride, depth);
  }
}

/** Sum over k < length of a[aOffset + k] b[bOffset + k], in four partial sums so that additions need not wait for each other. */
export function dot(a: Float64Array, aOffset: number, b: Float64Array, bOffset: number, length: number): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let k = 0;
  for (; k + 4 <= length; k += 4) {
    s0 += a[aOffset + k]! * b[bOffset + k]!;
    s1 += a[aOffset + k + 1]! * b[bOffset + k + 1]!;
    s2 += a[aOffset + k + 2]! * b[bOffset + k + 2]!;
    s3 += a[aOffset + k + 3]! * b[bOffset + k + 3]!;
  }
  for (; k < length; k++) s0 += a[aOffset + k]! * b[bOffset + k]!;
  return s0 + s1 + (s2 + s3);
}

/**
 * Cholesky factor of a symmetric positive definite matrix, in place: A = L L^T.
 *
 * @param a [n, n]; the lower triangle is read and overwritten with L, the strict upper triangle is left alone.
 * @returns false when a pivot is not positive (A is not positive definite to working precision); `a` is then spoiled.
 */
export function cholesky(a: Float64Array, n: number): boolean {
  for (let start = 0; start < n; start += BLOCK) {
    const end = Math.min(start + BLOCK, n);
    for (let i = start; i < n; i++) {
      const row = i * n;
      const last = Math.min(i + 1, end);
      for (let j = start; j < last; j++) {
        const value = a[row + j]! - dot(a, row + start, a, j * n + start, j - start);
        if (j < i) {
          a[row + j] = value / a[j * n + j]!;
        } else {
          if (!(value > 0) || value === Infinity) return false;
          a[row + j] = Math.sqrt(value);
        }
      }
    }
    // The trailing triangle, in bands of rows so that only its lower half is computed.
    for (let i = end; i < n; i += BLOCK) {
      const rows = Math.min(BLOCK, n - i);
      const panel = { data: a, offset: i * n + start, stride: n };
      const columns = { data: a, offset: end * n + start, stride: n };
      const target = { data: a, offset: i * n + end, stride: n };
      const width = i - end;
      subtractProductTransposed(target, panel, columns, rows, width, end - start);
      for (let r = 0; r < rows; r++) {
        const row = (i + r) * n;
        for (let j = i; j <= i + r; j++) a[row + j]! -= dot(a, row + start, a, j * n + start, end - start);
      }
    }
  }
  return true;
}

/**
 * Inverse of a lower triangular matrix with a positive diagonal.
 *
 * In place: on return the upper triangle, diagonal included, holds X^T where X = L^-1 (so element (j, i) is X[i, j]);
 * the strict lower triangle still holds L. Keeping X transposed lets every sum run along rows.
 *
 * @param a [n, n] with L in the lower triangle.
 */
export function invertLowerTransposed(a: Float64Array, n: number): void {
  for (let start = 0; start < n; start += BLOCK) {
    const end = Math.min(start + BLOCK, n);
    for (let j = 0; j < start; j++) a.fill(0, j * n + start, j * n + end);
    // What the finished columns [0, start) contribute to rows [start, end) of X; X[k, j] is zero for k < j.
    for (let j = 0; j < start; j += BLOCK) {
      const next = j + BLOCK;
      for (let row = j; row < next; row++) {
        for (let i = start; i < end; i++) {
          a[row * n + i]! -= dot(a, i * n + row, a, row * n + row, next - row);
        }
      }
      subtractProductTransposed(
        { data: a, offset: j * n + start, stride: n },
        { data: a, offset: j * n + next, stride: n },
        { data: a, offset: start * n + next, stride: n },
        BLOCK,
        end - start,
        start - next,
      );
    }
    for (let i = start; i < end; i++) {
      const inverse = 1 / a[i * n + i]!;
      for (let j = 0; j < i; j++) {
        const first = Math.max(j, start);
        const known = j < start ? a[j * n + i]! : 0;
        a[j * n + i] = inverse * (known - dot(a, i * n + first, a, j * n + first, i - first));
      }
      a[i * n + i] = inverse;
    }
  }
}

/**
 * The upper triangular U with H^-1 = U^T U, the factor that GPTQ reads (Frantar et al. 2022, arXiv:2210.17323, section 3.3).
 *
 * One Cholesky factorization instead of two: with P the reversal of indices, P H P = L L^T gives H = R R^T for the upper
 * triangular R = P L P, hence H^-1 = R^-T R^-1 and U = R^-1 = P L^-1 P.
 *
 * @param h [n, n] symmetric, float64; not changed.
 * @returns U [n, n] with zeros below the diagonal, or undefined when H is not positive definite.
 */
export function inverseCholeskyUpper(h: Float64Array, n: number): Float64Array | undefined {
  const work = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const source = (n - 1 - i) * n + n - 1;
    for (let j = 0; j <= i; j++) work[i * n + j] = h[source - j]!;
  }
  if (!cholesky(work, n)) return undefined;
  invertLowerTransposed(work, n);
  // U[a, b] = X[n-1-a, n-1-b], and X[i, j] lies at (j, i): an anti-transpose, done in place by swapping across the antidiagonal.
  for (let i = 0; i < n; i++) work.fill(0, i * n, i * n + i);
  for (let i = 0; i < n; i++) {
    for (let j = i; j < n - 1 - i; j++) {
      const here = i * n + j;
      const there = (n - 1 - j) * n + (n - 1 - i);
      const value = work[here]!;
      work[here] = work[there]!;
      work[there] = value;
    }
  }
  return work;
}
