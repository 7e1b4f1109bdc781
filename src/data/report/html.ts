import { formatBytes, formatCount, formatPercent } from '../../core/format.ts';
import { barChart } from '../../io/charts.ts';
import { escapeHtml, htmlPage, htmlSection, htmlTable } from '../../io/html.ts';
import { type DropTally, reasonOf } from '../tally.ts';
import type { PrepareReport } from './report.ts';

/** report.html: the report for a person, in one file that needs no other. The same report gives the same bytes. */
export async function reportHtml(report: PrepareReport): Promise<string> {
  const sections = [
    await funnelSection(report),
    splitSection(report),
    await lengthSection(report),
    dropSection(report.dropped_by_rule),
    await duplicateSection(report),
    await languageSection(report),
    changeSection(report),
    refusedSection(report),
    sourceSection(report),
  ];
  return htmlPage('llmkit prepare', 'What prepare made of the data', sections);
}

async function funnelSection({ funnel }: PrepareReport): Promise<string> {
  const bars = funnel
    .filter(({ stage }) => stage !== 'pack')
    .map(({ stage, rows, dropped }) => {
      const lost = dropped === 0 ? '' : ` (−${formatCount(dropped)})`;
      return { name: stage, value: rows, label: `${formatCount(rows)}${lost}` };
    });
  const rows = funnel.map((step) => [
    step.stage,
    formatCount(step.rows),
    step.dropped === 0 ? '' : formatCount(step.dropped),
    step.tokens === undefined ? '' : `${step.estimated === true ? '≈ ' : ''}${formatCount(step.tokens)}`,
    step.note,
  ]);
  const note =
    '<p class="note">≈: tokens before the encoding are told from the characters, at the rate of the rows kept.</p>';
  return htmlSection(
    'From stage to stage',
    (await barChart('funnel', { title: 'rows', bars, horizontal: true })) +
      htmlTable(['stage', '#rows', '#dropped', '#tokens', 'why'], rows) +
      note,
  );
}

function splitSection({ splits }: PrepareReport): string {
  const rows = Object.entries(splits).map(([name, split]) => [
    name,
    formatCount(split.examples),
    formatCount(split.rows),
    formatCount(split.tokens),
    formatCount(split.trainable_tokens),
    formatPercent(split.packing_efficiency),
  ]);
  return htmlSection('Splits', htmlTable(['split', '#examples', '#rows', '#tokens', '#with loss', '#filled'], rows));
}

async function lengthSection({ lengths }: PrepareReport): Promise<string> {
  if (lengths.examples === 0) return '';
  const bars = lengths.histogram.map(({ up_to, examples }) => ({
    name: `≤ ${formatCount(up_to)}`,
    value: examples,
    label: formatCount(examples),
  }));
  const { mean, p50, p90, p99, max } = lengths;
  const figures = `mean ${formatCount(Math.round(mean))}, median ${formatCount(p50)}, 90% up to ${formatCount(p90)}, 99% up to ${formatCount(p99)}, longest ${formatCount(max)}`;
  return htmlSection(
    'Lengths in tokens',
    `${await barChart('lengths', { title: 'examples', bars })}<p>${escapeHtml(figures)}</p>`,
  );
}

function dropSection(drops: PrepareReport['dropped_by_rule']): string {
  const rules = Object.entries(drops).sort(([, a], [, b]) => b.count - a.count);
  if (rules.length === 0) return '';
  return htmlSection('Dropped by rule', rules.map(([rule, tally]) => dropDetails(rule, tally)).join('\n'));
}

function dropDetails(rule: string, { count, characters, examples }: DropTally): string {
  const shown = examples
    .map(
      (example) => `<p>${escapeHtml(`${example.row}: ${reasonOf(example)}`)}</p><pre>${escapeHtml(example.text)}</pre>`,
    )
    .join('');
  const what = `${rule}: ${formatCount(count)} rows, ${formatBytes(characters)} of text`;
  return `<details><summary>${escapeHtml(what)}</summary>${shown}</details>`;
}

async function duplicateSection({ duplicates }: PrepareReport): Promise<string> {
  const { exact, near, clusters, largest } = duplicates;
  if (exact + near === 0) return '';
  const bars = clusters.sizes.map(({ up_to, clusters: count }) => ({
    name: up_to <= 4 ? String(up_to) : `≤ ${formatCount(up_to)}`,
    value: count,
    label: formatCount(count),
  }));
  const told = `${formatCount(exact)} rows equal to another, ${formatCount(near)} nearly equal, in ${formatCount(clusters.count)} clusters`;
  const rows = largest.map(({ kept, size, others }) => [
    kept,
    formatCount(size),
    others.join(', ') + (size - 1 > others.length ? ' …' : ''),
  ]);
  return htmlSection(
    'Duplicates',
    `<p>${escapeHtml(told)}</p>${await barChart('clusters', { title: 'clusters by size', bars })}` +
      htmlTable(['kept', '#rows', 'dropped'], rows),
  );
}

async function languageSection({ languages }: PrepareReport): Promise<string> {
  const found = Object.entries(languages.rows).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  if (found.length === 0) return '';
  const bars = found
    .slice(0, 12)
    .map(([name, value]) => ({ name, value, label: formatPercent(value / languages.sampled) }));
  const note = `<p class="note">Of a sample of ${formatCount(languages.sampled)} rows.</p>`;
  return htmlSection(
    'Languages',
    (await barChart('languages', { title: 'rows in the sample', bars, horizontal: true })) + note,
  );
}

function changeSection({ changes, flags }: PrepareReport): string {
  const rows = [
    ...Object.entries(changes).map(([what, count]) => [what, formatCount(count), '']),
    ...Object.entries(flags).map(([rule, { count, rows: ids }]) => [`flagged: ${rule}`, formatCount(count), list(ids)]),
  ];
  return rows.length === 0 ? '' : htmlSection('Changed and flagged', htmlTable(['what', '#times', 'rows'], rows));
}

function refusedSection(report: PrepareReport): string {
  const lists: [string, { count: number; rows: string[] }][] = [
    ['malformed', report.malformed],
    ['empty', report.empty],
    ['refused by the chat template', report.refused_by_template],
    [`longer than max_length (${report.overlength.policy})`, report.overlength],
    ['without a target', report.without_target],
    ['target cut off', report.target_cut_off],
    ['special tokens in the text', report.special_tokens_in_text],
  ];
  const rows = lists
    .filter(([, { count }]) => count > 0)
    .map(([what, { count, rows: ids }]) => [what, formatCount(count), list(ids)]);
  return rows.length === 0 ? '' : htmlSection('Rows to look at', htmlTable(['what', '#rows', 'which'], rows));
}

function sourceSection({ sources }: PrepareReport): string {
  const rows = sources.map(({ file, rows: count, found, unused, weight }) => [
    file,
    formatCount(count),
    weight === 1 ? '' : String(weight),
    found,
    unused.join(', '),
  ]);
  return htmlSection('Sources', htmlTable(['file', '#rows', '#weight', 'read as', 'columns not used'], rows));
}

const LISTED = 8;

function list(ids: readonly string[]): string {
  return ids.slice(0, LISTED).join(', ') + (ids.length > LISTED ? ' …' : '');
}
