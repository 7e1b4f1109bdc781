import { LlmkitError } from '../core/errors.ts';
import {
  cast,
  gather,
  linear,
  mul,
  parameter,
  quantizedLinear,
  reshape,
  scalar,
  slice,
  sub,
  transpose,
} from '../graph/index.ts';
import type { Graph, Value } from '../graph/index.ts';
import type { DecoderSpec, LinearRole } from '../model/spec.ts';
import { linearHasBias, linearShape } from '../model/tensors.ts';
import { matrixOf } from './inference-names.ts';
import type { MatrixId } from './inference-names.ts';
import type { DecoderWeights } from './weights.ts';

/** How a matrix is stored for inference: as f32 [out, in], or as codes and scales (see `quantizedLinearOp`). */
export type MatrixScheme = { scheme: 'f32' } | { scheme: 'w8a8' } | { scheme: 'w8a16'; groupSize: number };

export interface InferenceWeightsOptions {
  /** Of the blocks' linear layers. */
  linear: MatrixScheme;
  /** Of the head, and of the embedding where it is tied to it. */
  head: MatrixScheme;
}

/**
 * Weights as initializers. Layers that read the same input are one matrix ("model.layers.0.self_attn.qkv_proj" and the
 * like), so that each block runs four products; a tied embedding is the head's own matrix, looked up.
 */
export class InferenceWeights implements DecoderWeights {
  readonly graph: Graph;
  readonly spec: DecoderSpec;
  readonly #options: InferenceWeightsOptions;
  readonly #parameters = new Map<string, Value>();

  constructor(graph: Graph, spec: DecoderSpec, options: InferenceWeightsOptions) {
    this.graph = graph;
    this.spec = spec;
    this.#options = options;
  }

  embed(ids: Value): Value {
    const { names, vocabSize, hiddenSize } = this.spec;
    if (names.head !== undefined || this.#options.head.scheme === 'f32') {
      return gather(this.#parameter(`${names.embedding}.weight`, [vocabSize, hiddenSize]), ids);
    }
    const { codes, scales, scheme } = this.#codes({ kind: 'head' }, vocabSize, hiddenSize, this.#options.head);
    if (scheme === 'w8a8') {
      // The codes lie [hidden, vocab] for the head's product; a lookup picks columns.
      const columns = transpose(cast(gather(codes, ids, 1), 'f32'), [1, 2, 0]);
      return mul(columns, reshape(gather(scales, ids), [...ids.shape, 1]));
    }
    const centred = sub(cast(gather(codes, ids), 'f32'), scalar(this.graph, 128));
    const groupScales = gather(scales, ids);
    return reshape(mul(centred, reshape(groupScales, [...groupScales.shape, 1])), [...ids.shape, hiddenSize]);
  }

  embedPositions(positions: Value): Value {
    const { names, maxPositions, hiddenSize } = this.spec;
    return gather(this.#parameter(`${names.positionEmbedding}.weight`, [maxPositions, hiddenSize]), positions);
  }

  norm(module: string): { weight: Value; bias: Value | undefined } {
    const { qNorm, kNorm } = this.spec.names.layer(0);
    const ofHead = [qNorm, kNorm].some((name) => name !== undefined && module.endsWith(name.split('.').at(-1)!));
    const shape = [ofHead ? this.spec.attention.headDim : this.spec.hiddenSize];
    const bias = this.spec.norm.kind === 'layer' ? this.#parameter(`${module}.bias`, shape) : undefined;
    return { weight: this.#parameter(`${module}.weight`, shape), bias };
  }

  linear(x: Value, layer: number, roles: readonly LinearRole[]): Value[] {
    const widths = roles.map((role) => linearShape(this.spec, role)[0]);
    const out = widths.reduce((sum, width) => sum + width, 0);
    const [, inputs] = linearShape(this.spec, roles[0]!);
    const id: MatrixId = { kind: 'linear', layer, roles: [...roles] };
    const bias = linearHasBias(this.spec, roles[0]!)
      ? this.#parameter(`${matrixOf(this.spec, id)}.bias`, [out])
      : undefined;
    const y = this.#product(x, id, out, inputs, bias, this.#options.linear);
    const axis = y.shape.length - 1;
    let start = 0;
    return widths.map((width) => {
      start += width;
      return slice(y, axis, start - width, width);
    });
  }

  /** Logits f32 [..., vocab] of hidden states [..., hidden]. */
  head(hidden: Value): Value {
    const { vocabSize, hiddenSize } = this.spec;
    return this.#product(hidden, { kind: 'head' }, vocabSize, hiddenSize, undefined, this.#options.head);
  }

  #product(x: Value, id: MatrixId, out: number, inputs: number, bias: Value | undefined, how: MatrixScheme): Value {
    if (how.scheme === 'f32')
      return linear(x, this.#parameter(`${matrixOf(this.spec, id)}.weight`, [out, inputs]), bias);
    const { codes, scales } = this.#codes(id, out, inputs, how);
    const groupSize = how.scheme === 'w8a16' ? how.groupSize : 0;
    return quantizedLinear(x, codes, scales, bias, { scheme: how.scheme, groupSize });
  }

  #codes(
    id: MatrixId,
    out: number,
    inputs: number,
    how: MatrixScheme,
  ): { codes: Value; scales: Value; scheme: string } {
    const name = matrixOf(this.spec, id);
    if (how.scheme === 'f32') throw new LlmkitError('bug', `${name} is not quantized`);
    if (how.scheme === 'w8a8') {
      const codes = this.#parameter(`${name}.codes`, [inputs, out], 'i8');
      return { codes, scales: this.#parameter(`${name}.scales`, [out]), scheme: how.scheme };
    }
    const groups = inputs / how.groupSize;
    const codes = this.#parameter(`${name}.codes`, [out, groups, how.groupSize], 'u8');
    return { codes, scales: this.#parameter(`${name}.scales`, [out, groups]), scheme: how.scheme };
  }

  #parameter(name: string, shape: number[], dtype: 'f32' | 'i8' | 'u8' = 'f32'): Value {
    const known = this.#parameters.get(name) ?? this.graph.within('', () => parameter(this.graph, name, shape, dtype));
    this.#parameters.set(name, known);
    return known;
  }
}
