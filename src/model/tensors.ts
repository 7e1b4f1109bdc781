import { LlmkitError } from '../core/errors.ts';
import type { DecoderSpec, LinearRole, MatrixName, RowRuns } from './spec.ts';

/** One tensor of a checkpoint, as the spec says it must be. */
export interface ExpectedTensor {
  name: string;
  shape: number[];
  kind: 'embedding' | 'linear' | 'bias' | 'norm';
  /** A matrix whose output is added to the residual stream (o_proj, down_proj). */
  residual: boolean;
}

/** The linear layers that the family has, in the order of computation. */
export const LINEAR_ROLES: readonly LinearRole[] = [
  'q_proj',
  'k_proj',
  'v_proj',
  'o_proj',
  'gate_proj',
  'up_proj',
  'down_proj',
];

/** [out, in] of a linear layer. */
export function linearShape(spec: DecoderSpec, role: LinearRole): [number, number] {
  const { heads, kvHeads, headDim } = spec.attention;
  const { hiddenSize } = spec;
  const { intermediateSize } = spec.mlp;
  switch (role) {
    case 'q_proj':
      return [heads * headDim, hiddenSize];
    case 'k_proj':
    case 'v_proj':
      return [kvHeads * headDim, hiddenSize];
    case 'o_proj':
      return [hiddenSize, heads * headDim];
    case 'gate_proj':
    case 'up_proj':
      return [intermediateSize, hiddenSize];
    case 'down_proj':
      return [hiddenSize, intermediateSize];
  }
}

export function linearHasBias(spec: DecoderSpec, role: LinearRole): boolean {
  if (role === 'o_proj') return spec.attention.outBias;
  if (role === 'q_proj' || role === 'k_proj' || role === 'v_proj') return spec.attention.qkvBias;
  return spec.mlp.bias;
}

/** Where a linear layer lies; throws `bug` for a role the family does not have. */
export function matrixName(spec: DecoderSpec, layer: number, role: LinearRole): MatrixName {
  const name = spec.names.layer(layer).linear[role];
  if (name === undefined) throw new LlmkitError('bug', `${spec.modelType} has no ${role}`);
  return name;
}

/** The roles that this family's blocks have: what `all-linear` stands for. */
export function linearRoles(spec: DecoderSpec): LinearRole[] {
  const { linear } = spec.names.layer(0);
  return LINEAR_ROLES.filter((role) => linear[role] !== undefined);
}

/** Every tensor a checkpoint of this spec has, each once, in the order of computation. */
export function expectedTensors(spec: DecoderSpec): ExpectedTensor[] {
  const tensors = new Map<string, ExpectedTensor>();
  const add = (name: string, shape: number[], kind: ExpectedTensor['kind'], residual = false) =>
    tensors.set(name, { name, shape, kind, residual });
  const { hiddenSize, names } = spec;
  const addNorm = (module: string, size: number) => {
    add(`${module}.weight`, [size], 'norm');
    if (spec.norm.kind === 'layer') add(`${module}.bias`, [size], 'bias');
  };
  add(`${names.embedding}.weight`, [spec.vocabSize, hiddenSize], 'embedding');
  if (names.positionEmbedding !== undefined) {
    add(`${names.positionEmbedding}.weight`, [spec.maxPositions, hiddenSize], 'embedding');
  }
  for (let layer = 0; layer < spec.numLayers; layer++) {
    const { attentionNorm, mlpNorm, qNorm, kNorm, linear } = names.layer(layer);
    addNorm(attentionNorm, hiddenSize);
    addNorm(mlpNorm, hiddenSize);
    if (qNorm !== undefined) add(`${qNorm}.weight`, [spec.attention.headDim], 'norm');
    if (kNorm !== undefined) add(`${kNorm}.weight`, [spec.attention.headDim], 'norm');
    for (const role of linearRoles(spec)) {
      const { module, transposed } = linear[role]!;
      const [out, inner] = moduleShape(spec, layer, role);
      const residual = role === 'o_proj' || role === 'down_proj';
      add(`${module}.weight`, transposed === true ? [inner, out] : [out, inner], 'linear', residual);
      if (linearHasBias(spec, role)) add(`${module}.bias`, [out], 'bias');
    }
  }
  addNorm(names.finalNorm, hiddenSize);
  if (names.head !== undefined) add(`${names.head}.weight`, [spec.vocabSize, hiddenSize], 'linear');
  return [...tensors.values()];
}

/** [out, in] of the whole matrix that a role lies in: its own shape, or that of all roles that are fused in it. */
export function moduleShape(spec: DecoderSpec, layer: number, role: LinearRole): [number, number] {
  const { module } = matrixName(spec, layer, role);
  const fused = linearRoles(spec).filter((other) => matrixName(spec, layer, other).module === module);
  return [fused.reduce((rows, other) => rows + linearShape(spec, other)[0], 0), linearShape(spec, role)[1]];
}

/** The row of the stored matrix (of its [out, in] view) that is a role's row `row`. */
export function storedRow(rows: RowRuns | undefined, row: number): number {
  if (rows === undefined) return row;
  return rows.start + Math.floor(row / rows.size) * rows.stride + (row % rows.size);
}

/** A linear layer as the checkpoint has it; a fused one carries several roles. LoRA attaches to these. */
export interface LinearModule {
  /** Path without `.weight`, e.g. `model.layers.0.self_attn.q_proj`. */
  module: string;
  layer: number;
  roles: LinearRole[];
  /** Rows of its [out, in] view. */
  out: number;
  in: number;
  /** Stored [in, out]. */
  transposed: boolean;
}

/** Every linear layer of the blocks (the head is none of them), layer by layer. */
export function linearModules(spec: DecoderSpec): LinearModule[] {
  const modules = new Map<string, LinearModule>();
  for (let layer = 0; layer < spec.numLayers; layer++) {
    for (const role of linearRoles(spec)) {
      const { module, transposed = false } = matrixName(spec, layer, role);
      const known = modules.get(module);
      if (known !== undefined) {
        known.roles.push(role);
        continue;
      }
      const [out, inner] = moduleShape(spec, layer, role);
      modules.set(module, { module, layer, roles: [role], out, in: inner, transposed });
    }
  }
  return [...modules.values()];
}
