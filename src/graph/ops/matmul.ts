import { apply, broadcastShapes, shapeError } from '../types.ts';
import type { OpDef, Value } from '../types.ts';
import { unbroadcast } from './elementwise.ts';

export interface MatmulAttrs {
  transposeA: boolean;
  transposeB: boolean;
}

/** op(A) [..., m, k] times op(B) [..., k, n], the leading axes broadcast. */
export const matmulOp: OpDef<MatmulAttrs> = {
  name: 'matmul',
  infer(inputs, { transposeA, transposeB }) {
    const [a, b] = inputs as [Value, Value];
    if (a.shape.length < 2 || b.shape.length < 2) shapeError('matmul', 'operands need two axes', inputs);
    const rows = (x: Value, transposed: boolean) => (transposed ? x.shape.at(-1)! : x.shape.at(-2)!);
    const columns = (x: Value, transposed: boolean) => (transposed ? x.shape.at(-2)! : x.shape.at(-1)!);
    const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
    const fits = batch && a.dtype === b.dtype && columns(a, transposeA) === rows(b, transposeB);
    if (!fits) shapeError('matmul', `transposeA=${transposeA} transposeB=${transposeB}: inner sizes differ`, inputs);
    return [{ shape: [...batch, rows(a, transposeA), columns(b, transposeB)], dtype: a.dtype }];
  },
  gradient({ inputs: [a, b], attrs: { transposeA, transposeB } }, [dy]) {
    const da = transposeA
      ? matmul(b!, dy!, { transposeA: transposeB, transposeB: true })
      : matmul(dy!, b!, { transposeB: !transposeB });
    const db = transposeB
      ? matmul(dy!, a!, { transposeA: true, transposeB: transposeA })
      : matmul(a!, dy!, { transposeA: !transposeA });
    return [unbroadcast(da, a!), unbroadcast(db, b!)];
  },
};

export function matmul(a: Value, b: Value, attrs: Partial<MatmulAttrs> = {}): Value {
  return apply(matmulOp, [a, b], { transposeA: attrs.transposeA ?? false, transposeB: attrs.transposeB ?? false });
}
