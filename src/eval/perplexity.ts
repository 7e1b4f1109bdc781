import { LlmkitError } from '../core/errors.ts';
import { countBytes, countWords, type HarnessEncoder, rollingWindows } from './encode.ts';
import { bitsMetric, type Metric, perplexityMetric, shortHash, total } from './metrics.ts';
import type { Scorer } from './scorer.ts';

/** Tokens of one document and which of them count. */
export interface TokenDocument {
  inputIds: ArrayLike<number>;
  /** 1 where the token is a target; the first never is. */
  isTarget: ArrayLike<number>;
}

export interface DocumentScore {
  id: string;
  logProb: number;
  /** Tokens that were scored. */
  tokens: number;
}

/** Positions of the first and the last target of a document; undefined when it has none. */
export function targetSpan({ inputIds, isTarget }: TokenDocument): { first: number; last: number } | undefined {
  let first = 1;
  while (first < inputIds.length && isTarget[first] !== 1) first++;
  let last = inputIds.length - 1;
  while (last >= first && isTarget[last] !== 1) last--;
  return first > last ? undefined : { first, last };
}

/** Scores the targets of one document; undefined when it has none. */
export async function scoreTargets(scorer: Scorer, document: TokenDocument): Promise<DocumentScore | undefined> {
  const span = targetSpan(document);
  if (span === undefined) return undefined;
  const { first, last } = span;
  const { inputIds, isTarget } = document;
  const ids = Int32Array.from(inputIds);
  const logProbs = await scorer.logProbs(ids.subarray(0, last + 1), first);
  let logProb = 0;
  let tokens = 0;
  for (let i = first; i <= last; i++) {
    if (isTarget[i] !== 1) continue;
    logProb += logProbs[i - first]!;
    tokens++;
  }
  const bytes = new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength);
  return { id: shortHash(Buffer.concat([bytes, Uint8Array.from(isTarget)])), logProb, tokens };
}

/** Perplexity over the targets of documents: what training minimizes, on data it has not seen. */
export function targetPerplexity(scores: readonly DocumentScore[]): Metric[] {
  const weighted = scores.map(({ id, logProb, tokens }) => ({ id, logProb, weight: tokens }));
  return [perplexityMetric('perplexity', 'per target token, documents apart', weighted)];
}

export interface TextScore extends DocumentScore {
  words: number;
  bytes: number;
}

/** One text in lm-eval's rolling windows, conditioned on the prefix token. */
export async function scoreRolling(scorer: Scorer, encoder: HarnessEncoder, text: string): Promise<TextScore> {
  const ids = encoder.encode(text);
  let logProb = 0;
  for (const { context, continuation } of rollingWindows(ids, encoder.prefixTokenId, scorer.maxLength)) {
    logProb += total(Array.from(await scorer.logProbs([...context, ...continuation], context.length)));
  }
  return { id: shortHash(text), logProb, tokens: ids.length, words: countWords(text), bytes: countBytes(text) };
}

/** lm-eval's metrics of rolling scores, and the same per token. */
export function rollingPerplexity(scores: readonly TextScore[]): Metric[] {
  const per = (name: string, unit: 'tokens' | 'words' | 'bytes', what: string): Metric => {
    const weighted = scores.map((score) => ({ id: score.id, logProb: score.logProb, weight: score[unit] }));
    return perplexityMetric(name, `lm-eval rolling windows, per ${what}`, weighted);
  };
  const bytes = per('byte_perplexity', 'bytes', 'byte');
  return [
    per('perplexity', 'tokens', 'token'),
    per('word_perplexity', 'words', 'word'),
    bytes,
    bitsMetric('bits_per_byte', 'lm-eval rolling windows, bits per byte', bytes),
  ];
}

/** How the GPTQ protocol joins documents. */
export const SEPARATOR = '\n\n';

/**
 * The protocol of GPTQ's papers (IST-DASLab): documents joined by blank lines, tokenized once, cut into disjoint windows;
 * each window's mean loss over its tokens but the first counts alike, what is left at the end is dropped. A text shorter
 * than one window is one window.
 *
 * @throws LlmkitError `data` when there are fewer than two tokens.
 */
export async function windowPerplexity(
  scorer: Scorer,
  ids: ArrayLike<number>,
  window: number,
  onWindow?: (current: number, total: number) => Promise<void>,
): Promise<Metric> {
  const all = Int32Array.from(ids);
  const size = Math.min(window, scorer.maxLength, all.length);
  if (size < 2) {
    throw new LlmkitError('data', 'the text is too short for a perplexity', {
      expected: 'two tokens or more',
      got: `${all.length}`,
    });
  }
  const count = Math.floor(all.length / size);
  const scores: { id: string; logProb: number; weight: number }[] = [];
  for (let i = 0; i < count; i++) {
    const part = all.slice(i * size, (i + 1) * size);
    const logProb = total(Array.from(await scorer.logProbs(part, 1)));
    scores.push({ id: shortHash(new Uint8Array(part.buffer)), logProb, weight: size - 1 });
    await onWindow?.(i + 1, count);
  }
  return perplexityMetric('gptq_perplexity', `GPTQ protocol, per token, ${count} disjoint windows of ${size}`, scores);
}
