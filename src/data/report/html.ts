import { formatBytes, formatCount, formatPercent } from '../../core/format.ts';
import { barChart } from '../../io/charts.ts';
import { type DropTally, reasonOf } from '../tally.ts';
import type { PrepareReport } from './report.ts';

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #24292f; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #8884; vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0; padding: .5rem; background: #8881; border-radius: 4px; font-size: 13px; }
svg { max-width: 100%; height: auto; } summary { cursor: pointer; } .note { color: #57606a; }
@media (prefers-color-scheme: dark) { body { color: #d0d7de; background: #0d1117; } .note { color: #8b949e; } }
`;

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
  ].filter((section) => section !== '');
  const style = `<style>${STYLE}</style>`;
  const head = `<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>llmkit prepare</title>${style}`;
  const body = `<h1>What prepare made of the data</h1>\n${sections.join('\n')}`;
  return `<!doctype html>\n<html lang="en"><head>${head}</head>\n<body>\n${body}\n</body></html>\n`;
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
  return section(
    'From stage to stage',
    (await barChart('funnel', { title: 'rows', bars, horizontal: true })) +
      table(['stage', '#rows', '#dropped', '#tokens', 'why'], rows) +
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
  return section('Splits', table(['split', '#examples', '#rows', '#tokens', '#with loss', '#filled'], rows));
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
  return section(
    'Lengths in tokens',
    `${await barChart('lengths', { title: 'examples', bars })}<p>${escape(figures)}</p>`,
  );
}

function dropSection(drops: PrepareReport['dropped_by_rule']): string {
  const rules = Object.entries(drops).sort(([, a], [, b]) => b.count - a.count);
  if (rules.length === 0) return '';
  return section('Dropped by rule', rules.map(([rule, tally]) => dropDetails(rule, tally)).join('\n'));
}

function dropDetails(rule: string, { count, characters, examples }: DropTally): string {
  const shown = examples
    .map((example) => `<p>${escape(`${example.row}: ${reasonOf(example)}`)}</p><pre>${escape(example.text)}</pre>`)
    .join('');
  const what = `${rule}: ${formatCount(count)} rows, ${formatBytes(characters)} of text`;
  return `<details><summary>${escape(what)}</summary>${shown}</details>`;
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
  return section(
    'Duplicates',
    `<p>${escape(told)}</p>${await barChart('clusters', { title: 'clusters by size', bars })}` +
      table(['kept', '#rows', 'dropped'], rows),
  );
}

async function languageSection({ languages }: PrepareReport): Promise<string> {
  const found = Object.entries(languages.rows).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  if (found.length === 0) return '';
  const bars = found
    .slice(0, 12)
    .map(([name, value]) => ({ name, value, label: formatPercent(value / languages.sampled) }));
  const note = `<p class="note">Of a sample of ${formatCount(languages.sampled)} rows.</p>`;
  return section(
    'Languages',
    (await barChart('languages', { title: 'rows in the sample', bars, horizontal: true })) + note,
  );
}

function changeSection({ changes, flags }: PrepareReport): string {
  const rows = [
    ...Object.entries(changes).map(([what, count]) => [what, formatCount(count), '']),
    ...Object.entries(flags).map(([rule, { count, rows: ids }]) => [`flagged: ${rule}`, formatCount(count), list(ids)]),
  ];
  return rows.length === 0 ? '' : section('Changed and flagged', table(['what', '#times', 'rows'], rows));
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
  return rows.length === 0 ? '' : section('Rows to look at', table(['what', '#rows', 'which'], rows));
}

function sourceSection({ sources }: PrepareReport): string {
  const rows = sources.map(({ file, rows: count, found, unused, weight }) => [
    file,
    formatCount(count),
    weight === 1 ? '' : String(weight),
    found,
    unused.join(', '),
  ]);
  return section('Sources', table(['file', '#rows', '#weight', 'read as', 'columns not used'], rows));
}

const LISTED = 8;

function list(ids: readonly string[]): string {
  return ids.slice(0, LISTED).join(', ') + (ids.length > LISTED ? ' …' : '');
}

function section(title: string, body: string): string {
  return `<section><h2>${escape(title)}</h2>\n${body}</section>`;
}

/** @param head names of columns; one that begins with # holds numbers. Columns that are empty in every row are left out. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const kept = head.map((_, i) => i).filter((i) => rows.some((row) => row[i] !== ''));
  const cell = (tag: string, i: number, text: string) =>
    `<${tag}${head[i]!.startsWith('#') ? ' class="n"' : ''}>${escape(text)}</${tag}>`;
  const line = (tag: string, texts: readonly string[]) =>
    `<tr>${kept.map((i) => cell(tag, i, texts[i]!)).join('')}</tr>`;
  const names = head.map((name) => name.replace(/^#/, ''));
  return `<table><thead>${line('th', names)}</thead><tbody>${rows.map((row) => line('td', row)).join('')}</tbody></table>`;
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

function escape(text: string): string {
  return text.replaceAll(/[&<>"']/g, (char) => ENTITIES[char]!);
}
