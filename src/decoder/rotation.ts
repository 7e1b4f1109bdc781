import { LlmkitError } from '../core/errors.ts';
import { concat, constant, gather, reshape, rotary, slice } from '../graph/index.ts';
import type { Graph, Value } from '../graph/index.ts';
import { rotaryTables } from '../model/rope.ts';
import type { DecoderSpec, PositionSpec } from '../model/spec.ts';

/** How positions turn. Throws a bug for a family that says where tokens are in another way: no graph is made of that. */
export function rotaryOf({ modelType, position }: DecoderSpec): Extract<PositionSpec, { kind: 'rotary' }> {
  if (position.kind === 'rotary') return position;
  throw new LlmkitError('bug', 'the decoder builds rotary positions only', {
    where: `${modelType}: position`,
    got: position.kind,
  });
}

/** Cosines and sines f32 [positions, dim / 2] of every position, as constants. */
export function rotaryConstants(graph: Graph, spec: DecoderSpec, positions: number): Value[] {
  const position = rotaryOf(spec);
  const { cos, sin } = rotaryTables(position, positions);
  return [cos, sin].map((table) => constant(graph, table, [positions, position.dim / 2]));
}

/**
 * Turns [batch, length, heads, D] by each token's position.
 * Where only the first `dim` dimensions of a head turn (GPT-NeoX), the rest pass through.
 *
 * @param positions integers [batch, length]
 * @param tables cosines and sines [reach, dim / 2] of at least those positions
 */
export function rotation(spec: DecoderSpec, positions: Value, tables: readonly Value[]): (x: Value) => Value {
  const { headDim } = spec.attention;
  const { dim } = rotaryOf(spec);
  const rows = (table: Value): Value => {
    const half = gather(table, positions);
    return reshape(concat([half, half], 2), [...positions.shape, 1, dim]);
  };
  const [cos, sin] = tables.map(rows) as [Value, Value];
  if (dim === headDim) return (x) => rotary(x, cos, sin);
  return (x) => concat([rotary(slice(x, 3, 0, dim), cos, sin), slice(x, 3, dim, headDim - dim)], 3);
}
