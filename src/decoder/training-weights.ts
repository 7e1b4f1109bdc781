import { LlmkitError } from '../core/errors.ts';
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
import { addLora } from './lora.ts';
import type { Dropout } from './lora.ts';
import { linearHasBias, linearShape, matrixName } from '../model/tensors.ts';
import type { DecoderWeights } from './weights.ts';

export interface LoraOptions {
  r: number;
  /** alpha / r, or alpha / sqrt(r) for rsLoRA. */
  scaling: number;
  dropout: number;
  /** Whether a linear layer, by module path, has an adapter. */
  targets: (module: string, role: LinearRole) => boolean;
}

export interface TrainingWeightsOptions {
  /** Precision of the large products: frozen matrices are held in it, trained ones are f32 and cast for each product. */
  matrixDType: 'f32' | 'bf16';
  /** Absent: every weight is trained. */
  lora: LoraOptions | undefined;
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

  norm(module: string): { weight: Value; bias: Value | undefined } {
    const shape = [this.#normSize(module)];
    const bias = this.spec.norm.kind === 'layer' ? this.#slot(`${module}.bias`, shape, 'f32') : undefined;
    return { weight: this.#slot(`${module}.weight`, shape, 'f32'), bias };
  }

  linear(x: Value, layer: number, roles: readonly LinearRole[]): Value[] {
    return roles.map((role) => {
      const { module, transposed, rows } = matrixName(this.spec, layer, role);
      if (transposed === true || rows !== undefined) {
        const message = 'training reads matrices that are stored by themselves and as [out, in]';
        throw new LlmkitError('bug', message, {
          where: `${this.spec.modelType}: ${module}`,
          got: `${role} fused or transposed`,
        });
      }
      const [out, inputs] = linearShape(this.spec, role);
      const weight = this.#operand(`${module}.weight`, [out, inputs]);
      const bias = linearHasBias(this.spec, role) ? this.#slot(`${module}.bias`, [out], 'f32') : undefined;
      const y = linear(x, weight, bias);
      const { lora } = this.#options;
      if (!lora?.targets(module, role)) return y;
      const a = this.#slot(`${module}.lora_A.weight`, [lora.r, inputs], 'f32', true);
      const b = this.#slot(`${module}.lora_B.weight`, [out, lora.r], 'f32', true);
      return addLora(y, x, { a, b }, lora.scaling, this.#dropout(lora));
    });
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
    const held = this.#options.lora && shape[1] % 2 === 0 ? this.#options.matrixDType : 'f32';
    return this.#slot(name, shape, held);
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
    this.slots.set(name, { name, shape, dtype, trained: this.#options.lora ? isLora : true, value });
    return value;
  }
}
