import { join } from 'node:path';
import type { Json } from '../core/events.ts';
import { formatBytes, formatCount, formatDuration, formatPercent, formatValue } from '../core/format.ts';
import { writeFileAtomic } from '../io/atomic.ts';
import { lineChart } from '../io/charts.ts';
import type { LineChartOptions } from '../io/charts.ts';
import { escapeHtml, htmlPage, htmlSection, htmlTable } from '../io/html.ts';
import { svgToPng } from '../io/png.ts';
import type { RunEstimate } from './estimate-run.ts';
import { type History, smooth } from './report-history.ts';
import type { TrainingRunResult } from './run.ts';

/** What a training report tells. */
export interface TrainingReport {
  stage: 'pretrain' | 'finetune';
  result: Omit<TrainingRunResult, 'trained'>;
  estimate: RunEstimate;
  /** From `llmkit plan` of the same run, where there was one. */
  plannedSeconds: number | undefined;
  history: History;
  /** The section of the config. */
  settings: { [key: string]: Json };
}

/** A loss is followed best over about so many of the latest steps. */
const SMOOTHING = 0.9;

/** report.json for machines, report.html for people, and the loss curve as a picture. */
export async function writeTrainingReport(folder: string, report: TrainingReport): Promise<void> {
  writeFileAtomic(join(folder, 'report.json'), `${JSON.stringify(figuresOf(report), null, 2)}\n`);
  writeFileAtomic(join(folder, 'report.html'), await trainingHtml(report));
  writeFileAtomic(join(folder, 'loss.png'), await svgToPng(await lineChart('loss', lossChart(report.history))));
}

function figuresOf({ stage, result, estimate, plannedSeconds, history, settings }: TrainingReport): object {
  return {
    stage,
    result,
    predicted: {
      peak_bytes: estimate.peak.peakBytes,
      parts: estimate.peak.parts,
      steps: estimate.data.totalSteps,
      tokens: estimate.data.tokens,
      target_tokens: estimate.data.targets,
      ...(plannedSeconds === undefined ? {} : { seconds: plannedSeconds }),
    },
    validation: history.validation,
    samples: history.samples,
    settings,
  };
}

/** report.html: a page that needs no other file. */
export async function trainingHtml(report: TrainingReport): Promise<string> {
  const { stage } = report;
  const heading = stage === 'pretrain' ? 'How pretraining went' : 'How fine-tuning went';
  return htmlPage(`llmkit ${stage}`, heading, [
    htmlSection('Loss', await lineChart('loss', lossChart(report.history))),
    htmlSection('Figures', htmlTable(['', '#'], figureRows(report))),
    predictionSection(report),
    await chartsSection(report.history),
    sampleSection(report.history),
    htmlSection('Settings', `<pre>${escapeHtml(JSON.stringify(report.settings, null, 2))}</pre>`),
  ]);
}

/** Training loss as it came and smoothed, and the validation losses. */
export function lossChart(history: History): LineChartOptions {
  const loss = history.points('loss');
  const lines = [
    { name: 'loss of a step', points: loss, faint: true },
    { name: 'loss, smoothed', points: smooth(loss, SMOOTHING) },
    { name: 'validation loss', points: history.validation.map(({ step, loss }) => [step, loss] as const) },
  ];
  return { title: 'loss (nats)', xName: 'step', height: 320, lines: lines.filter(({ points }) => points.length > 0) };
}

async function chartsSection(history: History): Promise<string> {
  const figures: [name: string, title: string][] = [
    ['learning_rate', 'learning rate'],
    ['grad_norm', 'gradient norm, before clipping'],
    ['tokens_per_second', 'tokens/s'],
    ['memory_gb', 'memory of the process, GB'],
  ];
  const charts: string[] = [];
  for (const [name, title] of figures) {
    const points = history.points(name);
    if (points.length === 0) continue;
    charts.push(await lineChart(name, { title, xName: 'step', height: 200, lines: [{ name: title, points }] }));
  }
  return charts.length === 0 ? '' : htmlSection('Over the steps', charts.join('\n'));
}

function figureRows({ result }: TrainingReport): string[][] {
  const loss = (value: number | undefined): string => (value === undefined ? '' : value.toFixed(4));
  const perplexity = result.validationLoss === undefined ? '' : Math.exp(result.validationLoss).toFixed(3);
  return [
    ['steps', formatCount(result.totalSteps)],
    ['first loss', loss(result.firstLoss)],
    ['last loss', loss(result.lastLoss)],
    ['validation loss', loss(result.validationLoss)],
    ['validation perplexity', perplexity],
    ['trained parameters', formatCount(result.trainedParameters)],
    ['tokens', formatCount(result.tokens)],
    ['tokens with a loss', formatCount(result.targets)],
    ['time', formatDuration(result.seconds * 1000)],
    ['tokens/s', formatValue(Math.round(result.tokensPerSecond))],
    ['peak memory', formatBytes(result.peakBytes)],
    ['engine', `${result.engine}, ${result.precision}`],
    ['activations', result.memory === 'layer' ? 'computed again, layer by layer' : 'kept'],
  ].filter(([, value]) => value !== '');
}

/** Predicted before the run against measured in it. */
export function predictionRows({
  result,
  estimate,
  plannedSeconds,
}: Omit<TrainingReport, 'history' | 'settings'>): string[][] {
  const row = (name: string, predicted: number | undefined, measured: number, show: (value: number) => string) =>
    predicted === undefined ? [] : [[name, show(predicted), show(measured), signed(predicted / measured - 1)]];
  return [
    ...row('peak memory', estimate.peak.peakBytes, result.peakBytes, formatBytes),
    ...row('tokens', estimate.data.tokens, result.tokens, formatCount),
    ...row('tokens with a loss', estimate.data.targets, result.targets, formatCount),
    ...row('time', plannedSeconds, result.seconds, (seconds) => formatDuration(seconds * 1000)),
  ];
}

const signed = (share: number): string => `${share > 0 ? '+' : ''}${formatPercent(share)}`;

function predictionSection(report: TrainingReport): string {
  const head = ['', '#predicted', '#measured', '#prediction off by'];
  return htmlSection('Predicted and measured', htmlTable(head, predictionRows(report)));
}

function sampleSection({ samples }: History): string {
  if (samples.length === 0) return '';
  const prompts = [...new Set(samples.map(({ prompt }) => prompt))];
  const body = prompts.map((prompt) => {
    const texts = samples
      .filter((sample) => sample.prompt === prompt)
      .map(({ step, text }) => `<p class="note">step ${formatCount(step)}</p><pre>${escapeHtml(text)}</pre>`);
    return `<details open><summary>${escapeHtml(prompt)}</summary>${texts.join('')}</details>`;
  });
  return htmlSection('Samples', body.join('\n'));
}
