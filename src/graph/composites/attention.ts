import { apply, shapeError, staticShape } from '../types.ts';
import type { OpDef, Value } from '../types.ts';
import { add, mul, sub } from '../ops/elementwise.ts';
import { concat, reshape, slice, transpose } from '../ops/layout.ts';
import { matmul } from '../ops/matmul.ts';
import { softmax, sum } from '../ops/reduce.ts';

/** Queries [start, end) see keys [keyStart, end). */
export interface AttentionBlock {
  start: number;
  end: number;
  keyStart: number;
}

export interface AttentionAttrs {
  blocks: AttentionBlock[];
}

/**
 * The query blocks of a causal sequence whose documents are at most `band` tokens long.
 * Keys that no query of a block can see are not in the graph.
 */
export function causalBlocks(length: number, band: number, blockSize: number): AttentionBlock[] {
  const blocks: AttentionBlock[] = [];
  for (let start = 0; start < length; start += blockSize) {
    const reach = Math.max(0, start - band + 1);
    const keyStart = Math.floor(reach / blockSize) * blockSize;
    blocks.push({ start, end: Math.min(start + blockSize, length), keyStart });
  }
  return blocks;
}

/**
 * Grouped-query attention over blocks of queries.
 * Inputs: q [B, H, S, D] (rotated, and already multiplied by the score scale), k and v [B, KV, S, D], then one additive mask
 * [B, 1, queries, keys] a block. Outputs: o [B, H, S, D], then each block's probabilities [B KV, G queries, keys]
 * (G = H/KV), kept for the gradient. Vaswani et al. (2017); Ainslie et al., "GQA" (2023).
 */
export const attentionOp: OpDef<AttentionAttrs> = {
  name: 'attention',
  infer(inputs, { blocks }) {
    const [q, k, v] = inputs as [Value, Value, Value];
    const [B, H, S, D] = staticShape(q) as [number, number, number, number];
    const KV = staticShape(k)[1]!;
    const same = staticShape(k).join() === [B, KV, S, D].join() && staticShape(v).join() === staticShape(k).join();
    if (!same || H % KV !== 0 || inputs.length !== 3 + blocks.length) shapeError('attention', 'q, k, v, masks', inputs);
    const probabilities = blocks.map(({ start, end, keyStart }) => ({
      shape: [B * KV, (H / KV) * (end - start), end - keyStart],
      dtype: 'f32' as const,
    }));
    return [{ shape: q.shape, dtype: 'f32' }, ...probabilities];
  },
  expand({ inputs, attrs: { blocks } }) {
    const [q, k, v] = inputs as [Value, Value, Value];
    const [B, H] = staticShape(q) as [number, number];
    const outputs = blocks.map((block, i) => {
      const scores = matmul(queries(q, k, block), keys(k, block), { transposeB: true });
      const byHead = reshape(scores, [B, H, block.end - block.start, block.end - block.keyStart]);
      const p = reshape(softmax(add(byHead, inputs[3 + i]!)), scores.shape);
      return { p, o: unfold(matmul(p, keys(v, block)), q, block) };
    });
    return [
      concat(
        outputs.map(({ o }) => o),
        2,
      ),
      ...outputs.map(({ p }) => p),
    ];
  },
  // dS = P (dP - rowsum(dO O)), the row sum taken over D rather than over the keys (Dao et al., FlashAttention).
  gradient({ inputs, outputs, attrs: { blocks } }, [dOut]) {
    const [q, k, v] = inputs as [Value, Value, Value];
    const [out, ...probabilities] = outputs as [Value, ...Value[]];
    const parts = blocks.map((block, i) => {
      const p = probabilities[i]!;
      const dO = queries(dOut!, k, block);
      const delta = sum(mul(dO, queries(out, k, block)), [-1], true);
      const dS = mul(p, sub(matmul(dO, keys(v, block), { transposeB: true }), delta));
      return {
        dq: unfold(matmul(dS, keys(k, block)), q, block),
        dk: matmul(dS, queries(q, k, block), { transposeA: true }),
        dv: matmul(p, dO, { transposeA: true }),
      };
    });
    const dk = gatherKeys(
      parts.map(({ dk }) => dk),
      k,
      blocks,
    );
    const dv = gatherKeys(
      parts.map(({ dv }) => dv),
      v,
      blocks,
    );
    return [
      concat(
        parts.map(({ dq }) => dq),
        2,
      ),
      dk,
      dv,
      ...blocks.map(() => undefined),
    ];
  },
};

/** A block of [B, H, S, D] as [B KV, G queries, D]: the heads that share a key head side by side. */
function queries(x: Value, k: Value, { start, end }: AttentionBlock): Value {
  const [B, H, , D] = staticShape(x) as [number, number, number, number];
  const KV = staticShape(k)[1]!;
  return reshape(slice(x, 2, start, end - start), [B * KV, (H / KV) * (end - start), D]);
}

function unfold(x: Value, like: Value, { start, end }: AttentionBlock): Value {
  const [B, H, , D] = staticShape(like) as [number, number, number, number];
  return reshape(x, [B, H, end - start, D]);
}

/** The keys (or values) that a block sees, [B KV, keys, D]. */
function keys(x: Value, { keyStart, end }: AttentionBlock): Value {
  const [B, KV, , D] = staticShape(x) as [number, number, number, number];
  return reshape(slice(x, 2, keyStart, end - keyStart), [B * KV, end - keyStart, D]);
}

/** Adds up what the blocks say of each key, piece by piece: blocks begin where keys may. */
function gatherKeys(grads: Value[], like: Value, blocks: readonly AttentionBlock[]): Value {
  const pieces = blocks.map(({ start, end }) =>
    blocks
      .flatMap((other, i) =>
        other.keyStart <= start && other.end >= end ? [slice(grads[i]!, 1, start - other.keyStart, end - start)] : [],
      )
      .reduce(add),
  );
  return reshape(concat(pieces, 1), staticShape(like));
}

export function attention(q: Value, k: Value, v: Value, masks: Value[], blocks: AttentionBlock[]): Value {
  return q.graph.add(attentionOp, [q, k, v, ...masks], { blocks }).outputs[0]!;
}

/** [B, S, N, D] to [B, N, S, D] and back. */
export const swapHeads = (x: Value): Value => transpose(x, [0, 2, 1, 3]);

export interface CachedAttentionAttrs {
  heads: number;
  kvHeads: number;
  headDim: number;
  scale: number;
  rotary: boolean;
}

/**
 * Attention with a key/value cache, for inference (ONNX: com.microsoft.GroupQueryAttention).
 * Inputs: qkv packed f32 [batch, sequence, (H + 2 KV) D], past keys and values [batch, KV, capacity, D], seqlens_k i32 [batch]
 * (total length - 1), total_sequence_length i32 [], rotary cos and sin [positions, dim/2].
 * Outputs: o [batch, sequence, H D] and the updated cache, in place when bound to the same memory.
 */
export const cachedAttentionOp: OpDef<CachedAttentionAttrs> = {
  name: 'cached_attention',
  infer(inputs, { heads, kvHeads, headDim }) {
    const [qkv, pastK, pastV] = inputs as [Value, Value, Value];
    const width = (heads + 2 * kvHeads) * headDim;
    if (qkv.shape[2] !== width) shapeError('cached_attention', `qkv must be ${width} wide`, inputs);
    return [
      { shape: [qkv.shape[0]!, qkv.shape[1]!, heads * headDim], dtype: 'f32' },
      { shape: pastK.shape, dtype: 'f32' },
      { shape: pastV.shape, dtype: 'f32' },
    ];
  },
};

export function cachedAttention(inputs: Value[], attrs: CachedAttentionAttrs): readonly Value[] {
  return inputs[0]!.graph.add(cachedAttentionOp, inputs, attrs).outputs;
}

/**
 * The positions of the tokens of a cached run: i64 [batch, sequence], ending at each row's length.
 * Inputs: ids i64 [batch, sequence], seqlens_k i32 [batch] (total length - 1). Lowered to ONNX only.
 */
export const cachedPositionsOp: OpDef<Record<never, never>> = {
  name: 'cached_positions',
  infer: ([ids]) => [{ shape: ids!.shape, dtype: 'i64' }],
};
export const cachedPositions = (ids: Value, lengths: Value): Value => apply(cachedPositionsOp, [ids, lengths], {});
