import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { displayPath, type LoadedConfig } from '../config/index.ts';
import type { CommandContext, CommandResult, Json, Table } from '../core/events.ts';
import { formatCount, formatDuration, formatPercent } from '../core/format.ts';
import { prepare } from '../data/prepare.ts';
import { reasonOf } from '../data/tally.ts';
import type { PrepareReport } from '../data/report/report.ts';

export interface PrepareOptions {
  config: LoadedConfig;
  /** Prepare again even when nothing has changed. */
  force?: boolean;
  /** Write every dropped row, as prepare.explain does. */
  explain?: boolean;
}

/** `prepare`: files of rows to packed Arrow rows with their loss mask, and a report. */
export async function run(options: PrepareOptions, context: CommandContext): Promise<CommandResult> {
  const { config } = options;
  if (options.explain === true) config.config.prepare.explain = true;
  const dir = config.artifact('prepared');
  const shown = displayPath(dir, context.cwd);
  const begun = performance.now();
  const count = config.config.prepare.sources.length;
  context.emit({
    type: 'start',
    command: 'prepare',
    message: `${count} ${count === 1 ? 'source' : 'sources'} to ${shown}`,
  });
  const { report, cached } = await prepare(config, dir, context, {
    threads: config.config.prepare.threads ?? availableParallelism(),
    force: options.force,
  });
  const ms = performance.now() - begun;
  context.emit({ type: 'artifact', kind: 'prepared', path: dir });
  context.emit({ type: 'artifact', kind: 'report', path: join(dir, 'report.html') });
  const train = report.splits['train']!;
  context.emit({ type: 'metric', name: 'tokens', value: train.tokens, unit: 'tokens' });
  const figures = `${formatCount(train.rows)} rows, ${formatCount(train.tokens)} tokens, ${formatCount(train.trainable_tokens)} with loss`;
  return {
    ok: true,
    summary: cached
      ? `nothing has changed: ${shown} is up to date (${figures}); --force makes it again`
      : `${shown}: ${figures}, in ${formatDuration(ms)}`,
    tables: [funnelTable(report), ...ruleTables(report), splitTable(report)],
    data: { dir, cached, report: JSON.parse(JSON.stringify(report)) as Json },
    next: `llmkit ${nextCommand(config)} -c ${displayPath(config.path, context.cwd)}`,
  };
}

/** Rows made with a tokenizer of their own are for a model that does not exist yet. */
function nextCommand(config: LoadedConfig): string {
  return 'type' in config.config.prepare.tokenizer ? 'pretrain' : 'finetune --lora';
}

function funnelTable(report: PrepareReport): Table {
  return {
    title: 'rows from stage to stage',
    columns: [
      { name: 'stage' },
      { name: 'rows', align: 'right' },
      { name: 'dropped', align: 'right' },
      { name: 'tokens', align: 'right' },
      { name: 'note' },
    ],
    rows: report.funnel.map(({ stage, rows, dropped, tokens, estimated, note }) => [
      stage,
      formatCount(rows),
      dropped === 0 ? '' : formatCount(dropped),
      tokens === undefined ? '' : `${estimated === true ? '~' : ''}${formatCount(tokens)}`,
      // The reason for losses is only of interest where there were some.
      dropped === 0 && ['malformed', 'empty', 'duplicates'].includes(note) ? '' : note,
    ]),
  };
}

/** What rules dropped and steps changed, where there is anything of it. */
function ruleTables(report: PrepareReport): Table[] {
  const tables: Table[] = [];
  const drops = Object.entries(report.dropped_by_rule).sort(([, a], [, b]) => b.count - a.count);
  if (drops.length > 0) {
    tables.push({
      title: 'dropped by rule',
      columns: [{ name: 'rule' }, { name: 'rows', align: 'right' }, { name: 'for example' }],
      rows: drops.map(([rule, { count, examples }]) => {
        const [example] = examples;
        const shown = example === undefined ? '' : `${example.row}: ${reasonOf(example)}`;
        return [rule, formatCount(count), shown];
      }),
    });
  }
  const changes = Object.entries(report.changes);
  if (changes.length > 0) {
    tables.push({
      title: 'changed',
      columns: [{ name: 'what' }, { name: 'times', align: 'right' }],
      rows: changes.map(([what, count]) => [what, formatCount(count)]),
    });
  }
  return tables;
}

function splitTable(report: PrepareReport): Table {
  return {
    title: 'splits',
    columns: [
      { name: 'split' },
      { name: 'examples', align: 'right' },
      { name: 'rows', align: 'right' },
      { name: 'tokens', align: 'right' },
      { name: 'with loss', align: 'right' },
      { name: 'filled', align: 'right' },
    ],
    rows: Object.entries(report.splits).map(([name, split]) => [
      name,
      formatCount(split.examples),
      formatCount(split.rows),
      formatCount(split.tokens),
      formatCount(split.trainable_tokens),
      formatPercent(split.packing_efficiency),
    ]),
  };
}
