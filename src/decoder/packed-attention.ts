import {
  attention,
  causalBlocks,
  constant,
  greaterEqual,
  logicalAnd,
  reshape,
  rmsNorm,
  scalar,
  scale,
  select,
  slice,
  staticShape,
  sub,
  swapHeads,
} from '../graph/index.ts';
import type { Value } from '../graph/index.ts';
import { rotaryConstants, rotation } from './rotation.ts';
import type { Attend, DecoderWeights } from './weights.ts';

/** A batch of rows, each one or several documents packed one after another. */
export interface PackedShape {
  batch: number;
  /** Tokens in a row. */
  length: number;
  /** No document is longer than this many tokens: keys farther back are not in the graph. */
  band: number;
  /** Queries that go through attention together. */
  blockSize: number;
}

/**
 * Causal attention within the documents of packed rows, with positions that restart at each document.
 *
 * @param starts i32 [batch, length]: for each token, the index within its row of its document's first token
 */
export function packedAttention(weights: DecoderWeights, starts: Value, shape: PackedShape): Attend {
  const { spec, graph } = weights;
  const { batch, length, band, blockSize } = shape;
  const { heads, kvHeads, headDim } = spec.attention;
  const index = tokenIndex(starts);
  const turn = rotation(spec, packedPositions(starts), rotaryConstants(graph, spec, length));
  const blocks = causalBlocks(length, band, blockSize);
  const masks = blocks.map(({ start, end, keyStart }) => {
    const queryIndex = slice(index, 0, start, end - start);
    const keyIndex = slice(index, 0, keyStart, end - keyStart);
    const begins = reshape(slice(starts, 1, start, end - start), [batch, 1, end - start, 1]);
    const seen = logicalAnd(
      greaterEqual(reshape(queryIndex, [end - start, 1]), keyIndex),
      greaterEqual(keyIndex, begins),
    );
    // Finite, so that a row of the mask that is all hidden could never make a NaN.
    return select(seen, scalar(graph, 0), scalar(graph, -1e9));
  });

  return (q, k, v, layer) => {
    const names = spec.names.layer(layer);
    const byHead = (x: Value, n: number): Value => reshape(x, [batch, length, n, headDim]);
    const normed = (x: Value, module: string | undefined): Value =>
      module === undefined ? x : rmsNorm(x, weights.norm(module).weight, spec.norm.eps);
    const queries = scale(turn(normed(byHead(q, heads), names.qNorm)), spec.attention.scale);
    const keys = turn(normed(byHead(k, kvHeads), names.kNorm));
    const values = byHead(v, kvHeads);
    const out = attention(swapHeads(queries), swapHeads(keys), swapHeads(values), masks, blocks);
    return reshape(swapHeads(out), [batch * length, heads * headDim]);
  };
}

/** The index of each token within its row, i32 [length]. */
function tokenIndex(starts: Value): Value {
  const length = staticShape(starts)[1]!;
  return constant(
    starts.graph,
    Int32Array.from({ length }, (_, i) => i),
    [length],
  );
}

/** The position of each token within its document, i32 [batch, length], from its document's start (as `packedAttention` has it). */
export function packedPositions(starts: Value): Value {
  return sub(tokenIndex(starts), starts);
}

/** For a row given as document lengths, where each token's document starts. Lengths add up to the row. */
export function documentStarts(seqLengths: ArrayLike<number>, out: Int32Array): void {
  let start = 0;
  for (let i = 0; i < seqLengths.length; i++) {
    out.fill(start, start, start + seqLengths[i]!);
    start += seqLengths[i]!;
  }
  // What is left is padding: every such token sees itself only.
  for (let i = start; i < out.length; i++) out[i] = i;
}
