import {
  add,
  addScalar,
  cast,
  constant,
  gather,
  linear,
  mul,
  parameter,
  randomUniform,
  scale,
  staticShape,
} from '../graph/index.ts';
import type { Graph, Value } from '../graph/index.ts';
import type { DecoderSpec, LinearRole } from '../model/spec.ts';
import { adaptedLinear } from './lora.ts';
import type { Dropout, LoraFactors } from './lora.ts';
import { linearHasBias, matrixName, moduleShape } from '../model/tensors.ts';
import { splitRoles } from './row-runs.ts';
import type { DecoderWeights } from './weights.ts';

export interface LoraOptions {
  r: number;
  /** alpha / r, or alpha / sqrt(r) for rsLoRA. */
  scaling: number;
  dropout: number;
  /** Whether a linear layer, by module path, has an adapter. */
  targets: (module: string, role: LinearRole) => boolean;
  /** Rank and scale of the modules that differ, by path (PEFT's rank_pattern and alpha_pattern). */
  exceptions?: ReadonlyMap<string, { r: number; scaling: number }>;
  /** Each adapted layer has a magnitude, too, `<module>.lora_magnitude_vector`. */
  dora?: boolean;
}

export interface TrainingWeightsOptions {
  /** Precision of the large products: frozen matrices are held in it, trained ones are f32 and cast for each product. */
  matrixDType: 'f32' | 'bf16';
  /** Absent: no adapters. */
  lora: LoraOptions | undefined;
  /** Which weights of the checkpoint are trained: by default all of them without adapters, and none with them. */
  trains?: ((name: string) => boolean) | undefined;
  /** i32 [2], fed at each step, where there is dropout. */
  dropoutSeed: Value | undefined;
  /** f32 [], fed at each step, where embeddings get noise: uniform up to this, to both sides. */
  noiseBound?: Value | undefined;
}

/** A weight of the graph: its placeholder, under the name it has in the checkpoint or the adapter. */
export interface WeightSlot {
  name: string;
  shape: number[];
  dtype: 'f32' | 'bf16';
  trained: boolean;
  value: Value;
}

/** Weights as placeholders, in the order in which the graph asked for them; LoRA factors are named `<module>.lora_A.weight`. */
export class TrainingWeights implements DecoderWeights {
  readonly slots = new Map<string, WeightSlot>();
  readonly graph: Graph;
  readonly spec: DecoderSpec;
  readonly #options: TrainingWeightsOptions;
  #dropouts = 0;

  constructor(graph: Graph, spec: DecoderSpec, options: TrainingWeightsOptions) {
    this.graph = graph;
    this.spec = spec;
    this.#options = options;
  }

  embed(ids: Value): Value {
    const table = this.#matrix(`${this.spec.names.embedding}.weight`, this.#vocabularyShape());
    return this.#withNoise(cast(gather(table, ids), 'f32'));
  }

  #withNoise(x: Value): Value {
    const { noiseBound, dropoutSeed } = this.#options;
    if (!noiseBound || !dropoutSeed) return x;
    const uniform = randomUniform(this.#ownSeed(dropoutSeed), staticShape(x));
    return add(x, mul(addScalar(scale(uniform, 2), -1), noiseBound));
  }

  embedPositions(positions: Value): Value {
    const { names, maxPositions, hiddenSize } = this.spec;
    return cast(
      gather(this.#matrix(`${names.positionEmbedding}.weight`, [maxPositions, hiddenSize]), positions),
      'f32',
    );
  }

  norm(module: string): { weight: Value; bias: Value | undefined } {
    const shape = [this.#normSize(module)];
    const bias = this.spec.norm.kind === 'layer' ? this.#slot(`${module}.bias`, shape, 'f32') : undefined;
    return { weight: this.#slot(`${module}.weight`, shape, 'f32'), bias };
  }

  linear(x: Value, layer: number, roles: readonly LinearRole[]): Value[] {
    const names = roles.map((role) => matrixName(this.spec, layer, role));
    const fused = names.flatMap(({ rows }) => rows ?? []);
    if (fused.length === roles.length) return splitRoles(this.#module(x, layer, roles[0]!), fused);
    return roles.map((role) => this.#module(x, layer, role));
  }

  /** A linear layer as the checkpoint stores it, with the adapter that PEFT gives it: one, where several roles are fused. */
  #module(x: Value, layer: number, role: LinearRole): Value {
    const { module, transposed = false } = matrixName(this.spec, layer, role);
    const [out, inputs] = moduleShape(this.spec, layer, role);
    const weight = this.#operand(`${module}.weight`, transposed ? [inputs, out] : [out, inputs]);
    const bias = linearHasBias(this.spec, role) ? this.#slot(`${module}.bias`, [out], 'f32') : undefined;
    const factors = this.#factors(module, role, out, inputs);
    const layout = { transposed };
    return factors ? adaptedLinear(x, weight, bias, factors, layout) : linear(x, weight, bias, layout);
  }

  /** The output matrix, [vocab, hidden]: the embedding itself where it is tied. */
  head(): Value {
    const { names } = this.spec;
    return this.#operand(`${names.head ?? names.embedding}.weight`, this.#vocabularyShape());
  }

  #vocabularyShape(): [number, number] {
    return [this.spec.vocabSize, this.spec.hiddenSize];
  }

  /** A matrix in the precision of its products. */
  #operand(name: string, shape: [number, number]): Value {
    return cast(this.#matrix(name, shape), this.#options.matrixDType);
  }

  /** A matrix as it is held: bf16 travels in pairs, so odd rows are f32, and so is everything that is trained. */
  #matrix(name: string, shape: [number, number]): Value {
    const held = !this.#trains(name) && shape[1] % 2 === 0 ? this.#options.matrixDType : 'f32';
    return this.#slot(name, shape, held);
  }

  #trains(name: string): boolean {
    const { lora, trains } = this.#options;
    return trains ? trains(name) : !lora;
  }

  /** The adapter of a linear layer, where it has one. */
  #factors(module: string, role: LinearRole, out: number, inputs: number): LoraFactors | undefined {
    const { lora } = this.#options;
    if (!lora?.targets(module, role)) return undefined;
    const { r, scaling } = lora.exceptions?.get(module) ?? lora;
    const a = this.#slot(`${module}.lora_A.weight`, [r, inputs], 'f32', true);
    const b = this.#slot(`${module}.lora_B.weight`, [out, r], 'f32', true);
    const factors: LoraFactors = { a, b, scaling, dropout: this.#dropout(lora) };
    if (lora.dora === true) factors.magnitude = this.#slot(`${module}.lora_magnitude_vector`, [out], 'f32', true);
    return factors;
  }

  #normSize(module: string): number {
    const { names, attention, hiddenSize, numLayers } = this.spec;
    for (let layer = 0; layer < numLayers; layer++) {
      const { qNorm, kNorm } = names.layer(layer);
      if (module === qNorm || module === kNorm) return attention.headDim;
    }
    return hiddenSize;
  }

  #dropout(lora: LoraOptions): Dropout | undefined {
    const { dropoutSeed } = this.#options;
    if (lora.dropout === 0 || !dropoutSeed) return undefined;
    return { probability: lora.dropout, seed: this.#ownSeed(dropoutSeed) };
  }

  /** A seed for each place that draws random numbers. */
  #ownSeed(seed: Value): Value {
    return add(seed, constant(this.graph, Int32Array.of(0, this.#dropouts++), [2]));
  }

  #slot(name: string, shape: number[], dtype: 'f32' | 'bf16', isLora = false): Value {
    const known = this.slots.get(name);
    if (known) return known.value;
    // Weights belong to no scope: recompute must never copy them.
    const value = this.graph.within('', () => parameter(this.graph, name, shape, dtype));
    this.slots.set(name, { name, shape, dtype, trained: isLora || this.#trains(name), value });
    return value;
  }
}
