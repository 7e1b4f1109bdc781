import { add, gelu, layerNorm, mul, rmsNorm, sigmoid, swiglu } from '../graph/index.ts';
import type { Value } from '../graph/index.ts';
import type { MlpSpec } from '../model/spec.ts';
import { scopeOf } from './weights.ts';
import type { Attend, DecoderWeights } from './weights.ts';

/**
 * The decoder, whatever the family and the engine: embedding (with that of the position where it is learned), blocks, final norm.
 *
 * @param ids integers [...]; the leading axes are the caller's: [tokens] in training, [batch, sequence] in inference
 * @param positions of the ids within their documents: integers of the same shape
 * @returns the last hidden states after the final norm, f32 [..., hidden]
 */
export function hiddenStates(weights: DecoderWeights, ids: Value, positions: Value, attend: Attend): Value {
  const { graph, spec } = weights;
  let x = weights.embed(ids);
  if (spec.position.kind === 'learned') x = add(x, weights.embedPositions(positions));
  for (let layer = 0; layer < spec.numLayers; layer++) {
    x = graph.within(scopeOf(layer), () => block(weights, x, layer, attend));
  }
  return norm(weights, x, spec.names.finalNorm);
}

/** One block: x + attention(norm(x)), then x + mlp(norm(x)); both from the same x where the family adds them in parallel. */
export function block(weights: DecoderWeights, x: Value, layer: number, attend: Attend): Value {
  const { spec } = weights;
  const names = spec.names.layer(layer);
  const [q, k, v] = weights.linear(norm(weights, x, names.attentionNorm), layer, ['q_proj', 'k_proj', 'v_proj']);
  const [attended] = weights.linear(attend(q!, k!, v!, layer), layer, ['o_proj']);
  const middle = add(x, attended!);
  const fromMlp = mlp(weights, norm(weights, spec.parallelResidual ? x : middle, names.mlpNorm), layer);
  return add(middle, fromMlp);
}

function mlp(weights: DecoderWeights, x: Value, layer: number): Value {
  const { kind, activation } = weights.spec.mlp;
  if (kind === 'plain') {
    const [up] = weights.linear(x, layer, ['up_proj']);
    return weights.linear(activate(up!, activation), layer, ['down_proj'])[0]!;
  }
  const [gate, up] = weights.linear(x, layer, ['gate_proj', 'up_proj']);
  const inner = activation === 'silu' ? swiglu(gate!, up!) : mul(activate(gate!, activation), up!);
  return weights.linear(inner, layer, ['down_proj'])[0]!;
}

function activate(x: Value, activation: MlpSpec['activation']): Value {
  if (activation === 'silu') return mul(x, sigmoid(x));
  return gelu(x, activation === 'gelu_tanh');
}

export function norm(weights: DecoderWeights, x: Value, module: string): Value {
  const { weight, bias } = weights.norm(module);
  const { kind, eps } = weights.spec.norm;
  return kind === 'rms' ? rmsNorm(x, weight, eps) : layerNorm(x, weight, bias!, eps);
}
