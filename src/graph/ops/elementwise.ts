import { apply, broadcastShapes, sameShape, shapeError, staticShape } from '../types.ts';
import type { DType, OpDef, Value } from '../types.ts';
import { reshape } from './layout.ts';
import { sum } from './reduce.ts';
import { scalar } from './sources.ts';

type None = Record<never, never>;

/** Sums a gradient over the axes along which the operand was broadcast. */
export function unbroadcast(grad: Value, like: Value): Value {
  if (sameShape(grad.shape, like.shape)) return grad;
  const lead = grad.shape.length - like.shape.length;
  const axes = grad.shape.flatMap((dim, i) => (i < lead || (like.shape[i - lead] === 1 && dim !== 1) ? [i] : []));
  const summed = sum(grad, axes);
  return sameShape(summed.shape, like.shape) ? summed : reshape(summed, staticShape(like));
}

function binary(
  name: string,
  gradient: OpDef<None>['gradient'],
  result: (operand: DType) => DType = (operand) => operand,
): OpDef<None> {
  const def: OpDef<None> = {
    name,
    infer(inputs) {
      const [a, b] = inputs as [Value, Value];
      const shape = broadcastShapes(a.shape, b.shape);
      if (!shape || a.dtype !== b.dtype) shapeError(name, 'operands do not broadcast', inputs);
      return [{ shape, dtype: result(a.dtype) }];
    },
  };
  if (gradient) def.gradient = gradient;
  return def;
}

export const addOp = binary('add', ({ inputs: [a, b] }, [dy]) => [unbroadcast(dy!, a!), unbroadcast(dy!, b!)]);
export const subOp = binary('sub', ({ inputs: [a, b] }, [dy]) => [unbroadcast(dy!, a!), unbroadcast(neg(dy!), b!)]);
export const mulOp = binary('mul', ({ inputs: [a, b] }, [dy]) => [
  unbroadcast(mul(dy!, b!), a!),
  unbroadcast(mul(dy!, a!), b!),
]);
export const divOp = binary('div', ({ inputs: [a, b], outputs: [y] }, [dy]) => {
  const da = div(dy!, b!);
  return [unbroadcast(da, a!), unbroadcast(neg(mul(da, y!)), b!)];
});
/** No gradient: used on gradient norms and quantities that nothing is trained through. */
export const maximumOp = binary('maximum', undefined);
export const minimumOp = binary('minimum', undefined);
const toBool = (): DType => 'bool';
export const equalOp = binary('equal', undefined, toBool);
export const greaterEqualOp = binary('greater_equal', undefined, toBool);
export const logicalAndOp = binary('logical_and', undefined, toBool);

export const add = (a: Value, b: Value): Value => apply(addOp, [a, b], {});
export const sub = (a: Value, b: Value): Value => apply(subOp, [a, b], {});
export const mul = (a: Value, b: Value): Value => apply(mulOp, [a, b], {});
export const div = (a: Value, b: Value): Value => apply(divOp, [a, b], {});
export const maximum = (a: Value, b: Value): Value => apply(maximumOp, [a, b], {});
export const minimum = (a: Value, b: Value): Value => apply(minimumOp, [a, b], {});
export const equal = (a: Value, b: Value): Value => apply(equalOp, [a, b], {});
export const greaterEqual = (a: Value, b: Value): Value => apply(greaterEqualOp, [a, b], {});
export const logicalAnd = (a: Value, b: Value): Value => apply(logicalAndOp, [a, b], {});
/** x * factor, the factor a number known while building. */
export const scale = (x: Value, factor: number): Value => (factor === 1 ? x : mul(x, scalar(x.graph, factor)));
export const addScalar = (x: Value, term: number): Value => add(x, scalar(x.graph, term));

function unary(name: string, gradient: (x: Value, y: Value, dy: Value) => Value): OpDef<None> {
  return {
    name,
    infer: ([x]) => [{ shape: x!.shape, dtype: x!.dtype }],
    gradient: ({ inputs: [x], outputs: [y] }, [dy]) => [gradient(x!, y!, dy!)],
  };
}

export const negOp = unary('neg', (_x, _y, dy) => neg(dy));
export const expOp = unary('exp', (_x, y, dy) => mul(dy, y));
export const logOp = unary('log', (x, _y, dy) => div(dy, x));
export const sqrtOp = unary('sqrt', (_x, y, dy) => scale(div(dy, y), 0.5));
export const rsqrtOp = unary('rsqrt', (_x, y, dy) => scale(mul(dy, mul(y, mul(y, y))), -0.5));
export const squareOp = unary('square', (x, _y, dy) => scale(mul(dy, x), 2));
export const sigmoidOp = unary('sigmoid', (_x, y, dy) => mul(dy, sub(y, square(y))));
export const tanhOp = unary('tanh', (_x, y, dy) => sub(dy, mul(dy, square(y))));
export const erfOp = unary('erf', (x, _y, dy) => mul(dy, scale(exp(neg(square(x))), 2 / Math.sqrt(Math.PI))));

export const neg = (x: Value): Value => apply(negOp, [x], {});
export const exp = (x: Value): Value => apply(expOp, [x], {});
export const log = (x: Value): Value => apply(logOp, [x], {});
export const sqrt = (x: Value): Value => apply(sqrtOp, [x], {});
export const rsqrt = (x: Value): Value => apply(rsqrtOp, [x], {});
export const square = (x: Value): Value => apply(squareOp, [x], {});
export const sigmoid = (x: Value): Value => apply(sigmoidOp, [x], {});
export const tanh = (x: Value): Value => apply(tanhOp, [x], {});
export const erf = (x: Value): Value => apply(erfOp, [x], {});

/** `condition ? a : b`, element by element; gradients flow to a and b only. */
export const selectOp: OpDef<None> = {
  name: 'select',
  infer(inputs) {
    const [condition, a, b] = inputs as [Value, Value, Value];
    const branches = broadcastShapes(a.shape, b.shape);
    const shape = branches && broadcastShapes(condition.shape, branches);
    if (!shape || condition.dtype !== 'bool' || a.dtype !== b.dtype) shapeError('select', 'does not fit', inputs);
    return [{ shape, dtype: a.dtype }];
  },
  gradient({ inputs: [condition, a, b] }, [dy]) {
    const zero = scalar(dy!.graph, 0);
    const branch = (onTrue: Value, onFalse: Value): Value => apply(selectOp, [condition!, onTrue, onFalse], {});
    return [undefined, unbroadcast(branch(dy!, zero), a!), unbroadcast(branch(zero, dy!), b!)];
  },
};
export const select = (condition: Value, a: Value, b: Value): Value => apply(selectOp, [condition, a, b], {});

/** Converts between element types; the gradient is converted back. */
export const castOp: OpDef<{ to: DType }> = {
  name: 'cast',
  infer: ([x], { to }) => [{ shape: x!.shape, dtype: to }],
  gradient: ({ inputs: [x] }, [dy]) => [x!.dtype === 'f32' || x!.dtype === 'bf16' ? cast(dy!, x!.dtype) : undefined],
};
export const cast = (x: Value, to: DType): Value => (x.dtype === to ? x : apply(castOp, [x], { to }));
