import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PrepareReport } from './report.ts';

/** Writes report.json into a folder that is being made. */
export function writeReport(dir: string, report: PrepareReport): void {
  writeFileSync(join(dir, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
}
