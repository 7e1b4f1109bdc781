import type { CommandResult, Json, Table } from '../../core/events.ts';
import { formatBytes, formatDuration, formatPercent, formatRate } from '../../core/format.ts';

/** What eval measured of one model. */
export interface Scores {
  /** Share of the held-out questions whose intent was the likeliest. */
  accuracy: number;
  /** Of the answers to the held-out questions. */
  perplexity: number;
  /** Whether its gates passed, and in words. */
  ok: boolean;
  verdict: string;
}

export interface Answer {
  question: string;
  answer: string;
  tokensPerSecond: number;
}

export interface QuickstartFigures {
  base: Scores;
  merged: Scores;
  quantized: Scores;
  loss: { stage: string; first: number; last: number }[];
  /** The same questions to the merged and to the quantized model. */
  answers: { merged: Answer[]; quantized: Answer[] };
  bytes: { merged: number; quantized: number; adapter: number };
  engine: string;
  artifacts: { name: string; path: string; opensWith: string }[];
  /** The config to go on with, as written where the user stands. */
  config: string;
  setupMs: number;
  /** Everything but setup. */
  lifeMs: number;
}

/** The end of quickstart: one table with what came out, and the verdict of the gates. */
export function report(figures: QuickstartFigures): CommandResult {
  const { base, merged, quantized, engine, lifeMs } = figures;
  const ok = merged.ok && quantized.ok;
  const verdict = ok ? 'gate passed' : 'gate failed';
  const accuracy = `${formatPercent(base.accuracy)} → ${formatPercent(merged.accuracy)}`;
  return {
    ok,
    summary: `${verdict}: held-out intents ${accuracy}; the whole life in ${formatDuration(lifeMs)} on ${engine}`,
    tables: [tableOf(figures)],
    data: figures as unknown as { [key: string]: Json },
    next: `llmkit generate -c ${figures.config} --model quantized --prompt "My card is gone"`,
  };
}

function tableOf(figures: QuickstartFigures): Table {
  const { base, merged, quantized, answers, bytes } = figures;
  const speeds = { merged: middle(answers.merged), quantized: middle(answers.quantized) };
  const rows: string[][] = [
    ['held-out intents right, before', formatPercent(base.accuracy)],
    ['held-out intents right, after LoRA', formatPercent(merged.accuracy)],
    ['held-out intents right, int8', formatPercent(quantized.accuracy)],
    ['gates, after LoRA', merged.verdict],
    ['gates, int8', quantized.verdict],
    ...figures.loss.map(({ stage, first, last }) => [`loss, ${stage}`, `${first.toFixed(3)} → ${last.toFixed(3)}`]),
    ['perplexity of held-out answers, before', base.perplexity.toFixed(2)],
    ['perplexity, fp32', merged.perplexity.toFixed(3)],
    ['perplexity, int8', `${quantized.perplexity.toFixed(3)} (${change(quantized.perplexity / merged.perplexity)})`],
    [
      'speed of answering, fp32 → int8',
      `${formatRate(speeds.merged, 'tokens')} → ${formatRate(speeds.quantized, 'tokens')} (${speedUp(speeds.quantized / speeds.merged)})`,
    ],
    ['size, fp32 → int8', `${formatBytes(bytes.merged)} → ${formatBytes(bytes.quantized)}`],
    ['size of the adapter', formatBytes(bytes.adapter)],
    ...answers.quantized.map(({ question, answer }) => [question, answer]),
    ...figures.artifacts.map(({ name, path, opensWith }) => [name, `${path} (${opensWith})`]),
  ];
  return { title: 'Quickstart', columns: [{ name: '' }, { name: '' }], rows };
}

function middle(answers: readonly Answer[]): number {
  const sorted = answers.map(({ tokensPerSecond }) => tokensPerSecond).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** int8 pays where matrices are large; in a model of a few million parameters packing its activations costs as much. */
function speedUp(ratio: number): string {
  const figure = `${ratio.toFixed(2)}×`;
  return ratio < 1 ? `${figure}: too small a model to gain` : figure;
}

function change(ratio: number): string {
  const percent = formatPercent(Math.abs(ratio - 1), 2);
  return ratio < 1 ? `${percent} lower` : `${percent} higher`;
}
