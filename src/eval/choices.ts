import type { Json } from '../core/events.ts';
import { stableStringify } from '../core/json.ts';
import { countBytes, countCharacters } from './encode.ts';
import { accuracyMetric, type Metric, type Sample, shortHash } from './metrics.ts';
import type { Scorer } from './scorer.ts';

/** A question, already as tokens, with the answers to choose from. */
export interface ChoiceDocument {
  doc: Json;
  /** The texts, for the sample log. */
  prompt: string;
  choices: string[];
  /** Ids of the context before each choice, and of the choice itself. */
  pairs: { context: ArrayLike<number>; continuation: ArrayLike<number> }[];
  /** Index of the right choice. */
  gold: number;
}

export interface ChoiceScore {
  sample: Sample;
  acc: number;
  accNorm: number;
  accBytes: number;
}

/**
 * Scores every choice and takes the likeliest: as it is (acc), for each character (acc_norm), for each UTF-8 byte
 * (acc_bytes), the first of equals, as lm-eval's multiple_choice does. Contexts that are too long lose their beginning.
 */
export async function scoreChoices(scorer: Scorer, document: ChoiceDocument, docId: number): Promise<ChoiceScore> {
  const { doc, prompt, choices, pairs, gold } = document;
  const scores = await logLikelihoods(scorer, pairs);
  const sums = scores.map(({ sum }) => sum);
  const right = (lengths: number[]): number => Number(argmax(sums.map((sum, i) => sum / lengths[i]!)) === gold);
  const acc = right(choices.map(() => 1));
  const accNorm = right(choices.map(countCharacters));
  const accBytes = right(choices.map(countBytes));
  const sample: Sample = {
    doc_id: docId,
    doc,
    target: choices[gold]!,
    arguments: choices.map((choice) => [prompt, choice]),
    resps: scores.map(({ sum, greedy }) => [[sum, greedy]]),
    filtered_resps: scores.map(({ sum, greedy }) => [sum, greedy]),
    filter: 'none',
    metrics: ['acc', 'acc_norm', 'acc_bytes'],
    doc_hash: shortHash(stableStringify({ prompt, choices, gold })),
    acc,
    acc_norm: accNorm,
    acc_bytes: accBytes,
  };
  return { sample, acc, accNorm, accBytes };
}

/** Sum of log-probabilities and whether every token was the likeliest, for each pair; contexts that are the same run once. */
async function logLikelihoods(
  scorer: Scorer,
  pairs: ChoiceDocument['pairs'],
): Promise<{ sum: number; greedy: boolean }[]> {
  const results: { sum: number; greedy: boolean }[] = new Array(pairs.length);
  const groups = new Map<string, { context: number[]; indices: number[] }>();
  pairs.forEach(({ context, continuation }, i) => {
    const keep = Math.max(1, scorer.maxLength + 1 - continuation.length);
    const kept = Array.from(context).slice(-keep);
    const key = kept.join();
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { context: kept, indices: [i] });
    else group.indices.push(i);
  });
  for (const { context, indices } of groups.values()) {
    const list = indices.map((i) => pairs[i]!.continuation);
    const scores = await scorer.continuations(context, list);
    scores.forEach(({ sumLogProb, greedyMatches, tokens }, j) => {
      results[indices[j]!] = { sum: sumLogProb, greedy: greedyMatches === tokens };
    });
  }
  return results;
}

function argmax(values: readonly number[]): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

export function choiceMetrics(scores: readonly ChoiceScore[]): Metric[] {
  const ids = scores.map(({ sample }) => sample.doc_hash);
  return [
    accuracyMetric(
      'acc',
      'the likeliest choice',
      ids,
      scores.map(({ acc }) => acc),
    ),
    accuracyMetric(
      'acc_norm',
      'the likeliest choice for each character',
      ids,
      scores.map(({ accNorm }) => accNorm),
    ),
    accuracyMetric(
      'acc_bytes',
      'the likeliest choice for each byte',
      ids,
      scores.map(({ accBytes }) => accBytes),
    ),
  ];
}
