import { createHash } from 'node:crypto';
import type { Json } from '../core/events.ts';
import { mean, standardError } from '../core/stats.ts';

/**
 * Figures of single documents behind a metric: what a paired comparison with a baseline needs. Perplexity: exp(-sum of
 * logProbs / sum of weights), a weight being the document's tokens, words or bytes; bits: the exponent itself, over ln 2.
 * Accuracy: the mean of `correct`.
 */
export type PairedFigures =
  | { kind: 'perplexity' | 'bits'; ids: string[]; logProbs: number[]; weights: number[] }
  | { kind: 'accuracy'; ids: string[]; correct: number[] };

export interface Metric {
  /** The field's name: perplexity, word_perplexity, acc, acc_norm, ... */
  name: string;
  value: number;
  /** Standard error of the value; undefined where none is defined. */
  stderr: number | undefined;
  higherIsBetter: boolean;
  /** What exactly was measured, for a person. */
  label: string;
  paired: PairedFigures | undefined;
}

/** One document in lm-eval's sample log; the metrics' own keys come beside these. */
export interface Sample {
  doc_id: number;
  doc: Json;
  target: string;
  arguments: Json;
  resps: Json;
  filtered_resps: Json;
  filter: 'none';
  metrics: string[];
  doc_hash: string;
  [metric: string]: Json;
}

export interface TaskResult {
  task: string;
  /** perplexity, intents, multiple_choice. */
  type: string;
  metrics: Metric[];
  samples: Sample[];
  /** Documents of the file, and those that were scored. */
  n: { original: number; effective: number };
  /** How the task was run, for the record. */
  config: { [key: string]: Json };
  /** Raised when the same task would give other numbers. */
  version: number;
}

/** The metric a task is known by: a gate on the task's name means this one. */
export function primaryMetric(result: TaskResult): Metric | undefined {
  return result.metrics[0];
}

/** First twelve hex digits of a sha256: enough to know a document again. */
export function shortHash(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex').slice(0, 12);
}

/**
 * Perplexity over documents, weighted by tokens, words or bytes. The standard error is that of the ratio of sums, carried
 * through the exponential.
 */
export function perplexityMetric(
  name: string,
  label: string,
  documents: { id: string; logProb: number; weight: number }[],
): Metric {
  const logProbs = documents.map(({ logProb }) => logProb);
  const weights = documents.map(({ weight }) => weight);
  const value = Math.exp(-total(logProbs) / total(weights));
  const ratio = ratioError(logProbs, weights);
  return {
    name,
    label,
    value,
    stderr: ratio === undefined ? undefined : value * ratio,
    higherIsBetter: false,
    paired: { kind: 'perplexity', ids: documents.map(({ id }) => id), logProbs, weights },
  };
}

/** The same figures in bits for each unit of weight: -sum / sum / ln 2. */
export function bitsMetric(name: string, label: string, perplexity: Metric): Metric {
  const { paired } = perplexity;
  return {
    ...perplexity,
    paired: paired?.kind === 'perplexity' ? { ...paired, kind: 'bits' } : undefined,
    name,
    label,
    value: Math.log2(perplexity.value),
    stderr: perplexity.stderr === undefined ? undefined : perplexity.stderr / perplexity.value / Math.LN2,
  };
}

/** Share of right answers; standard error as lm-eval has it, sample deviation over the root of n. */
export function accuracyMetric(name: string, label: string, ids: string[], correct: number[]): Metric {
  return {
    name,
    label,
    value: mean(correct),
    stderr: correct.length < 2 ? undefined : standardError(correct),
    higherIsBetter: true,
    paired: { kind: 'accuracy', ids, correct },
  };
}

export function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/**
 * Standard error of sum(numerators) / sum(weights) over documents, by linearization (Cochran 1977, section 2.11);
 * undefined for fewer than two documents.
 */
export function ratioError(numerators: readonly number[], weights: readonly number[]): number | undefined {
  const n = numerators.length;
  if (n < 2) return undefined;
  const whole = total([...weights]);
  const ratio = total([...numerators]) / whole;
  const squares = numerators.reduce((sum, value, i) => sum + (value - ratio * weights[i]!) ** 2, 0);
  return Math.sqrt((squares * n) / (n - 1)) / whole;
}
