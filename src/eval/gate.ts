import type { GateConfig } from '../config/index.ts';
import { formatPercent, formatValue } from '../core/format.ts';
import { mcnemarExact, mean, studentQuantile } from '../core/stats.ts';
import type { Baseline } from './baseline.ts';
import { type Metric, type PairedFigures, primaryMetric, ratioError, type TaskResult, total } from './metrics.ts';

export interface GateCheck {
  /** The key in the config: a metric, a task, or task.metric. */
  gate: string;
  task: string;
  metric: string;
  bound: 'min' | 'max' | 'max_regression';
  limit: number;
  /** What is held against the limit; undefined when it could not be computed, which fails. */
  value: number | undefined;
  pass: boolean;
  /** One line for a person. */
  message: string;
}

/**
 * Holds results against bounds. Anything that cannot be checked fails: a metric that was not measured, a baseline that is
 * missing or was taken on other documents.
 *
 * `max_regression` is paired, document by document. Perplexity: the upper 95% confidence bound of the ratio to the baseline,
 * less one, by linearization of ln(PPL / PPL_base) = sum of log-probability lost / sum of tokens. Bits: the same bound of
 * bits / bits_base, less one. Accuracy: the points lost, with McNemar's exact test of the answers that changed said beside
 * it.
 */
export function checkGates(
  gates: Readonly<Record<string, GateConfig>>,
  results: readonly TaskResult[],
  baseline: Baseline | undefined,
): GateCheck[] {
  const checks: GateCheck[] = [];
  for (const [gate, bounds] of Object.entries(gates)) {
    const found = findMetrics(gate, results);
    for (const bound of ['min', 'max', 'max_regression'] as const) {
      const limit = bounds[bound];
      if (limit === undefined) continue;
      if (found.length === 0) {
        const known = results.flatMap(({ task, metrics }) => metrics.map(({ name }) => `${task}.${name}`));
        const message = `${gate} was not measured; there are ${known.join(', ')}`;
        checks.push({ gate, task: gate, metric: gate, bound, limit, value: undefined, pass: false, message });
      }
      for (const { task, metric } of found) {
        const base = { gate, task, metric: metric.name, bound, limit };
        checks.push({
          ...base,
          ...(bound === 'max_regression' ? regression(task, metric, limit, baseline) : absolute(metric, bound, limit)),
        });
      }
    }
  }
  return checks;
}

function findMetrics(gate: string, results: readonly TaskResult[]): { task: string; metric: Metric }[] {
  const found: { task: string; metric: Metric }[] = [];
  for (const result of results) {
    for (const metric of result.metrics) {
      const named = metric.name === gate || `${result.task}.${metric.name}` === gate;
      if (named || (result.task === gate && metric === primaryMetric(result)))
        found.push({ task: result.task, metric });
    }
  }
  return found;
}

type Outcome = Pick<GateCheck, 'value' | 'pass' | 'message'>;

function absolute({ name, value }: Metric, bound: 'min' | 'max', limit: number): Outcome {
  // Written so that NaN fails.
  const pass = bound === 'min' ? value >= limit : value <= limit;
  const message = `${name} ${formatValue(value)} is ${pass ? '' : 'not '}${bound === 'min' ? 'at least' : 'at most'} ${formatValue(limit)}`;
  return { value, pass, message };
}

function regression(task: string, metric: Metric, limit: number, baseline: Baseline | undefined): Outcome {
  const fail = (why: string): Outcome => ({
    value: undefined,
    pass: false,
    message: `${metric.name} cannot be compared: ${why}`,
  });
  if (baseline === undefined) return fail('there is no baseline (--baseline names one, --update-baseline takes one)');
  const before = baseline.tasks[task]?.[metric.name];
  if (before === undefined) return fail(`the baseline has no ${task}.${metric.name}`);
  const now = metric.paired;
  const then = before.paired;
  if (now === undefined || then === undefined || now.kind !== then.kind)
    return fail('there are no figures of single documents');
  if (now.ids.length !== then.ids.length || now.ids.some((id, i) => id !== then.ids[i])) {
    return fail('the baseline was taken on other documents, or with another tokenizer');
  }
  if (now.kind === 'accuracy' && then.kind === 'accuracy') return accuracyRegression(metric, now, then, limit);
  if (now.kind === 'accuracy' || then.kind === 'accuracy') return fail('the figures are of different kinds');
  // The same text, cut into other tokens: a perplexity of each means something else.
  if (now.weights.some((weight, i) => weight !== then.weights[i])) {
    return fail('the baseline was taken with another tokenizer');
  }
  return perplexityRegression(metric, now, then, limit);
}

type Perplexity = Extract<PairedFigures, { kind: 'perplexity' | 'bits' }>;
type Accuracy = Extract<PairedFigures, { kind: 'accuracy' }>;

function perplexityRegression({ name }: Metric, now: Perplexity, then: Perplexity, limit: number): Outcome {
  const lost = now.logProbs.map((logProb, i) => then.logProbs[i]! - logProb);
  const isBits = now.kind === 'bits';
  // Bits grow by what was lost over what there was; a perplexity by the exponential of what was lost over the tokens.
  const over = isBits ? then.logProbs.map((logProb) => -logProb) : now.weights;
  const growth = (ratio: number): number => (isBits ? ratio : Math.expm1(ratio));
  const ratio = total(lost) / total(over);
  const error = ratioError(lost, over);
  const upper = error === undefined ? Infinity : ratio + studentQuantile(0.95, lost.length - 1) * error;
  const value = growth(upper);
  const pass = value <= limit;
  const bound = Number.isFinite(value) ? formatPercent(value, 2) : 'unbounded (fewer than two documents)';
  const message =
    `${name} is ${formatPercent(growth(ratio), 2)} above the baseline, at most ${bound} (95%, ${lost.length} documents); ` +
    `${pass ? 'allowed' : 'only allowed'} ${formatPercent(limit, 2)}`;
  return { value, pass, message };
}

function accuracyRegression({ name }: Metric, now: Accuracy, then: Accuracy, limit: number): Outcome {
  let lost = 0;
  let won = 0;
  now.correct.forEach((value, i) => {
    if (value < then.correct[i]!) lost++;
    else if (value > then.correct[i]!) won++;
  });
  const value = mean(then.correct) - mean(now.correct);
  // Thousandths of an answer of slack, so that 0.3 - 0.2 is not more than 0.1.
  const pass = value <= limit + 1e-9;
  const chance = formatValue(mcnemarExact(lost, won));
  const message =
    `${name} lost ${formatPercent(value, 2)} (${lost} answers lost, ${won} won, McNemar p ${chance}); ` +
    `${pass ? 'allowed' : 'only allowed'} ${formatPercent(limit, 2)}`;
  return { value, pass, message };
}

/** One line that cannot be misread. */
export function verdict(checks: readonly GateCheck[]): string {
  if (checks.length === 0) return 'no gates: nothing was checked';
  const failed = checks.filter(({ pass }) => !pass);
  if (failed.length === 0) return `PASS: ${checks.length} of ${checks.length} gate checks`;
  return `FAIL: ${failed.length} of ${checks.length} gate checks: ${failed.map(({ message }) => message).join('; ')}`;
}
