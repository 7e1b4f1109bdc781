import type { CommandResult } from '../../core/events.ts';
import { formatTable } from '../../core/table.ts';
import type { ReporterOptions } from './reporter.ts';

/**
 * The end of a run for a person: tables and summary on standard output, the next command on standard error, the summary last.
 * @param streamed the command has written its result to standard output already
 */
export function printResult(result: CommandResult, options: ReporterOptions, streamed = false): void {
  const { out, err, outPaint, errPaint } = options;
  for (const table of result.tables ?? []) {
    const lines = formatTable(table, options.columns);
    if (table.title !== undefined) lines[0] = outPaint.bold(lines[0]!);
    out(`${lines.join('\n')}\n\n`);
  }
  if (result.next !== undefined && !options.quiet) err(`${errPaint.dim('next:')} ${result.next}\n`);
  if (result.summary === '') return;
  // Text that was streamed is the result: a line about it would be in its way.
  const paint = streamed ? errPaint : outPaint;
  const mark = result.ok ? paint.green('✓') : paint.red('✗');
  if (!streamed || !options.quiet) (streamed ? err : out)(`${mark} ${result.summary}\n`);
}
