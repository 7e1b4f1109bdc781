import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { reportHtml } from './html.ts';
import type { PrepareReport } from './report.ts';

/** Writes report.json, for machines, and report.html, for people, into a folder that is being made. */
export async function writeReport(dir: string, report: PrepareReport): Promise<void> {
  writeFileSync(join(dir, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(join(dir, 'report.html'), await reportHtml(report));
}
