import { LlmkitError } from '../core/errors.ts';
import { Random } from '../core/random.ts';

export interface SamplerOptions {
  /** 0 takes the likeliest token. Default 1. */
  temperature?: number;
  /** Keep this many likeliest tokens; 0 keeps all. */
  topK?: number;
  /** Keep the likeliest tokens until they hold this probability, the crossing one included (Holtzman et al. 2019). */
  topP?: number;
  /** Keep tokens of at least this fraction of the likeliest one's probability (Nguyen et al. 2024). */
  minP?: number;
  /** Divides positive and multiplies negative logits of tokens already there (CTRL, Keskar et al. 2019). */
  repetitionPenalty?: number;
  seed?: number;
}

/**
 * Chooses the next token from logits, in the order of transformers' processors: repetition penalty, temperature, top-k,
 * top-p, min-p. Equal logits rank by id. The same seed and logits give the same tokens.
 */
export class Sampler {
  readonly #temperature: number;
  readonly #topK: number;
  readonly #topP: number;
  readonly #logMinP: number;
  readonly #penalty: number;
  readonly #random: Random;
  #scores = new Float64Array(0);

  constructor(options: SamplerOptions = {}) {
    this.#temperature = options.temperature ?? 1;
    this.#topK = options.topK ?? 0;
    this.#topP = options.topP ?? 1;
    this.#logMinP = Math.log(options.minP ?? 0);
    this.#penalty = options.repetitionPenalty ?? 1;
    this.#random = new Random(options.seed ?? 0);
  }

  /**
   * @param logits f32 [vocab], left as it is.
   * @param present ids the repetition penalty applies to: prompt and output so far.
   */
  sample(logits: Float32Array, present: Iterable<number> = []): number {
    const scores = this.#score(logits, present);
    const best = argmax(scores);
    if (this.#temperature === 0) return best;
    for (let i = 0; i < scores.length; i++) scores[i] = scores[i]! / this.#temperature;
    if (this.#topK > 0 || this.#topP < 1) return this.#sampleFromTop(scores, scores[best]!);
    return this.#sampleFromAll(scores, scores[best]!);
  }

  #score(logits: Float32Array, present: Iterable<number>): Float64Array {
    if (this.#scores.length !== logits.length) this.#scores = new Float64Array(logits.length);
    const scores = this.#scores;
    scores.set(logits);
    if (this.#penalty !== 1) {
      for (const id of new Set(present)) {
        const score = scores[id]!;
        scores[id] = score > 0 ? score / this.#penalty : score * this.#penalty;
      }
    }
    return scores;
  }

  #sampleFromAll(scores: Float64Array, max: number): number {
    const keep = this.#logMinP; // -Infinity keeps every token
    let total = 0;
    for (let i = 0; i < scores.length; i++) {
      const relative = scores[i]! - max;
      const weight = relative >= keep ? Math.exp(relative) : 0;
      scores[i] = weight;
      total += weight;
    }
    let left = this.#random.float() * total;
    let last = 0;
    for (let i = 0; i < scores.length; i++) {
      const weight = scores[i]!;
      if (weight === 0) continue;
      last = i;
      left -= weight;
      if (left < 0) return i;
    }
    return last; // rounding left nothing over
  }

  #sampleFromTop(scores: Float64Array, max: number): number {
    const { ids: ranked, mass } = rankTop(scores, max, this.#topK > 0 ? this.#topK : scores.length, this.#topP);
    const weights = ranked.map((id) => Math.exp(scores[id]! - max));
    const nucleus = this.#topP * (this.#topK > 0 ? sum(weights) : mass);
    let kept = 0;
    let total = 0;
    while (kept < weights.length && (kept === 0 || total < nucleus)) {
      if (Math.log(weights[kept]!) < this.#logMinP) break;
      total += weights[kept++]!;
    }
    let left = this.#random.float() * total;
    for (let i = 0; i < kept; i++) {
      left -= weights[i]!;
      if (left < 0) return ranked[i]!;
    }
    return ranked[kept - 1]!;
  }
}

/** Nats below the best score in steps of 1/16, up to 64: fine enough that few tokens share the last step that counts. */
const STEPS = 1024;
const STEPS_PER_NAT = 16;

/**
 * Ids in falling order of score: the `topK` best, or, when top-p is asked of all tokens, enough of them to hold `topP` of
 * the probability. A histogram finds how far down to look, so that only those few are sorted. `mass` is the sum of
 * exp(score - max) over all tokens.
 */
function rankTop(scores: Float64Array, max: number, topK: number, topP: number): { ids: number[]; mass: number } {
  const counts = new Int32Array(STEPS);
  const masses = new Float64Array(STEPS);
  for (const score of scores) {
    const step = stepOf(max - score);
    counts[step] = counts[step]! + 1;
    masses[step] = masses[step]! + Math.exp(score - max);
  }
  const bounded = topK < scores.length;
  // A hair more than top-p, so that summing in another order cannot leave the crossing token out.
  const total = sum(masses);
  const enough = Math.min(1, topP + 1e-9) * total;
  let last = 0;
  let count = counts[0]!;
  let mass = masses[0]!;
  while (last < STEPS - 1 && (bounded ? count < topK : mass < enough)) {
    last++;
    count += counts[last]!;
    mass += masses[last]!;
  }
  const ids: number[] = [];
  for (let id = 0; id < scores.length; id++) if (stepOf(max - scores[id]!) <= last) ids.push(id);
  ids.sort((a, b) => scores[b]! - scores[a]! || a - b);
  return { ids: ids.slice(0, topK), mass: total };
}

function stepOf(below: number): number {
  return Math.min(STEPS - 1, Math.floor(below * STEPS_PER_NAT));
}

function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total;
}

/**
 * The first id of the highest score.
 *
 * @throws LlmkitError('data') when no score is a number: the model is broken or overflowed.
 */
export function argmax(scores: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < scores.length; i++) if (scores[i]! > scores[best]! || Number.isNaN(scores[best])) best = i;
  if (!Number.isFinite(scores[best])) {
    throw new LlmkitError('data', 'the model computed no usable logits', {
      expected: 'finite numbers',
      got: `${scores[best]}`,
      hint: 'check the checkpoint: llmkit inspect, or compare with the base model',
    });
  }
  return best;
}

/** log softmax(logits)[id], in double precision. */
export function logProb(logits: Float32Array, id: number): number {
  const max = logits[argmax(logits)]!;
  let total = 0;
  for (let i = 0; i < logits.length; i++) total += Math.exp(logits[i]! - max);
  return logits[id]! - max - Math.log(total);
}

/** The `count` likeliest tokens with their log-probabilities, likeliest first. */
export function topLogProbs(logits: Float32Array, count: number): { id: number; logProb: number }[] {
  const scores = Float64Array.from(logits);
  const max = scores[argmax(scores)]!;
  const norm = max + Math.log(scores.reduce((total, score) => total + Math.exp(score - max), 0));
  return rankTop(scores, max, Math.min(count, scores.length), 1).ids.map((id) => ({ id, logProb: scores[id]! - norm }));
}
