import type { TfEngine, TfProgram, TfTensor } from '../engine/tf/index.ts';
import { lowerToTensorFlow } from '../graph/index.ts';
import { FIRST_MOMENT, SECOND_MOMENT, buildAdamW, buildGradientNorm, isDecayed } from './adamw.ts';
import type { AdamWOptions, TrainedWeight } from './adamw.ts';

type Tensors = Record<string, TfTensor>;

/** Weights below this are updated together, up to `GROUP_BYTES`; each above it alone, by a program that its like share. */
const LARGE_BYTES = 4e6;
const GROUP_BYTES = 64e6;

/** Weights that are updated in one go. */
export interface UpdateGroup {
  weights: TrainedWeight[];
  /** Groups of one key compute the same under other names. */
  key: string;
}

const bytesOf = ({ shape }: TrainedWeight): number => shape.reduce((product, dim) => product * dim, 4);

/**
 * Small weights in groups and large ones alone, so that new values and states do not lie beside all old ones at once: a
 * model trained whole would take seven times its size instead of four.
 */
export function updateGroups(weights: readonly TrainedWeight[], options: AdamWOptions): UpdateGroup[] {
  const groups: UpdateGroup[] = [];
  let small: TrainedWeight[] = [];
  let bytes = 0;
  const close = (): void => {
    if (small.length > 0) groups.push({ weights: small, key: small.map(({ name }) => name).join(' ') });
    small = [];
    bytes = 0;
  };
  for (const weight of weights) {
    if (bytesOf(weight) >= LARGE_BYTES) {
      groups.push({ weights: [weight], key: `${weight.shape.join('x')} ${isDecayed(weight, options)}` });
      continue;
    }
    if (bytes + bytesOf(weight) > GROUP_BYTES) close();
    small.push(weight);
    bytes += bytesOf(weight);
  }
  close();
  return groups;
}

/** AdamW on an engine: the norm of all gradients first, then the weights group by group. */
export class Optimizer {
  readonly #groups: UpdateGroup[];
  readonly #norm: TfProgram;
  readonly #clips: boolean;
  /** By key; the names in them are those of the first group that has it. */
  readonly #programs = new Map<string, { program: TfProgram; weights: TrainedWeight[] }>();

  constructor(engine: TfEngine, weights: readonly TrainedWeight[], options: AdamWOptions) {
    this.#groups = updateGroups(weights, options);
    this.#clips = options.maxGradNorm !== 0;
    this.#norm = engine.load(lowerToTensorFlow(buildGradientNorm(weights), engine.kind));
    for (const { key, weights: own } of this.#groups) {
      if (this.#programs.has(key)) continue;
      const graph = buildAdamW(own, options, 'given');
      this.#programs.set(key, { program: engine.load(lowerToTensorFlow(graph, engine.kind)), weights: own });
    }
  }

  /** The global norm of the mean gradient, f32 []. */
  norm(gradients: Tensors, gradientScale: TfTensor): TfTensor {
    return this.#norm.run({ ...gradients, gradient_scale: gradientScale })['gradient_norm']!;
  }

  /**
   * One step: new values and moments take the places of the old ones in `state`, which are freed, and so is each gradient.
   *
   * @param scalars what `buildAdamW` wants besides, with `gradient_norm`
   */
  update(state: Tensors, gradients: Tensors, scalars: Tensors): void {
    const { gradient_norm: norm, ...common } = scalars;
    if (this.#clips) common['gradient_norm'] = norm!;
    for (const { key, weights } of this.#groups) {
      const { program, weights: named } = this.#programs.get(key)!;
      const feeds: Tensors = { ...common };
      weights.forEach(({ name }, i) => {
        const as = named[i]!.name;
        for (const part of ['', FIRST_MOMENT, SECOND_MOMENT]) feeds[part + as] = state[part + name]!;
        feeds[`gradient/${as}`] = gradients[`gradient/${name}`]!;
      });
      const updated = program.run(feeds);
      weights.forEach(({ name }, i) => {
        for (const part of ['', FIRST_MOMENT, SECOND_MOMENT]) {
          state[part + name]!.dispose();
          state[part + name] = updated[part + named[i]!.name]!;
        }
        gradients[`gradient/${name}`]!.dispose();
        delete gradients[`gradient/${name}`];
      });
    }
  }

  dispose(): void {
    this.#norm.dispose();
    for (const { program } of this.#programs.values()) program.dispose();
  }
}
