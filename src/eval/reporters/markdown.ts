import { formatValue } from '../../core/format.ts';
import { type GateCheck, verdict } from '../gate.ts';
import type { TaskResult } from '../metrics.ts';

/** A summary for people, in GitHub's markdown: the verdict, the measurements, the gate checks. */
export function markdownSummary(model: string, results: readonly TaskResult[], checks: readonly GateCheck[]): string {
  const lines = [`## llmkit eval: ${escapeMarkdown(model)}`, '', `**${escapeMarkdown(verdict(checks))}**`, ''];
  lines.push('| task | metric | value | ± stderr | documents |', '|---|---|---:|---:|---:|');
  for (const { task, metrics, n } of results) {
    for (const { name, value, stderr } of metrics) {
      const error = stderr === undefined ? '' : formatValue(stderr);
      lines.push(
        `| ${escapeMarkdown(task)} | ${escapeMarkdown(name)} | ${formatValue(value)} | ${error} | ${n.effective} |`,
      );
    }
  }
  if (checks.length > 0) {
    lines.push('', '| gate | result | |', '|---|---|---|');
    for (const { gate, bound, pass, message } of checks) {
      lines.push(`| ${escapeMarkdown(gate)} ${bound} | ${pass ? 'pass' : '**fail**'} | ${escapeMarkdown(message)} |`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** What GitHub Actions shows at the top of a run: one workflow command for each check that failed. */
export function githubAnnotations(checks: readonly GateCheck[]): string[] {
  return checks
    .filter(({ pass }) => !pass)
    .map(({ gate, bound, message }) => `::error title=${property(`llmkit gate ${gate} ${bound}`)}::${data(message)}`);
}

function escapeMarkdown(text: string): string {
  return text.replace(/[\\`*_{}[\]<>|#]/g, (character) => `\\${character}`).replace(/\r?\n/g, ' ');
}

function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
