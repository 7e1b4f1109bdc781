import { concat, constant, gather, reshape, rotary, slice } from '../graph/index.ts';
import type { Value } from '../graph/index.ts';
import { rotaryTables } from '../model/rope.ts';
import type { DecoderSpec } from '../model/spec.ts';

/**
 * Turns [batch, length, heads, D] by each token's position; the identity for families with learned positions.
 * Where only the first `dim` dimensions of a head turn (GPT-NeoX), the rest pass through.
 *
 * @param positions integers [batch, length], below `reach`
 */
export function rotation(spec: DecoderSpec, positions: Value, reach: number): (x: Value) => Value {
  const { position, attention } = spec;
  if (position.kind !== 'rotary') return (x) => x;
  const { dim } = position;
  const tables = rotaryTables(position, reach);
  const rows = (table: Float32Array): Value => {
    const half = gather(constant(positions.graph, table, [reach, dim / 2]), positions);
    return reshape(concat([half, half], 2), [...positions.shape, 1, dim]);
  };
  const [cos, sin] = [rows(tables.cos), rows(tables.sin)];
  if (dim === attention.headDim) return (x) => rotary(x, cos, sin);
  return (x) => concat([rotary(slice(x, 3, 0, dim), cos, sin), slice(x, 3, dim, attention.headDim - dim)], 3);
}
