import { concat, constant, gather, reshape, rotary, slice } from '../graph/index.ts';
import type { Graph, Value } from '../graph/index.ts';
import { rotaryTables } from '../model/rope.ts';
import type { DecoderSpec } from '../model/spec.ts';

/** Cosines and sines f32 [positions, dim / 2] of every position, as constants; none where positions are learned. */
export function rotaryConstants(graph: Graph, { position }: DecoderSpec, positions: number): Value[] {
  if (position.kind !== 'rotary') return [];
  const { cos, sin } = rotaryTables(position, positions);
  return [cos, sin].map((table) => constant(graph, table, [positions, position.dim / 2]));
}

/**
 * Turns [batch, length, heads, D] by each token's position; leaves it alone where positions are learned.
 * Where only the first `dim` dimensions of a head turn (GPT-NeoX), the rest pass through.
 *
 * @param positions integers [batch, length]
 * @param tables cosines and sines [reach, dim / 2] of at least those positions
 */
export function rotation(
  { attention: { headDim }, position }: DecoderSpec,
  positions: Value,
  tables: readonly Value[],
): (x: Value) => Value {
  if (position.kind !== 'rotary') return (x) => x;
  const { dim } = position;
  const rows = (table: Value): Value => {
    const half = gather(table, positions);
    return reshape(concat([half, half], 2), [...positions.shape, 1, dim]);
  };
  const [cos, sin] = tables.map(rows) as [Value, Value];
  if (dim === headDim) return (x) => rotary(x, cos, sin);
  return (x) => concat([rotary(slice(x, 3, 0, dim), cos, sin), slice(x, 3, dim, headDim - dim)], 3);
}
