import { join } from 'node:path';
import { withAtomicDir, writeFileAtomic } from '../io/atomic.ts';
import { BASELINE, makeBaseline, writeBaseline } from './baseline.ts';
import type { GateCheck } from './gate.ts';
import type { TaskResult } from './metrics.ts';
import { junitXml } from './reporters/junit.ts';
import { markdownSummary } from './reporters/markdown.ts';
import { type EvalRun, lmEvalResults, sampleLines } from './reporters/results.ts';

/**
 * Writes an evaluation: results.json and samples_<task>.jsonl in lm-eval's layout, junit.xml, report.md, and baseline.json, with
 * which a later evaluation can be compared.
 *
 * @param finish called with the folder before it takes its place, e.g. to write the manifest.
 */
export async function writeEvaluation(
  out: string,
  run: EvalRun,
  results: readonly TaskResult[],
  checks: readonly GateCheck[],
  finish: (folder: string) => Promise<void>,
): Promise<void> {
  await withAtomicDir(out, async (folder) => {
    const json = JSON.stringify(lmEvalResults(run, results), null, 2);
    writeFileAtomic(join(folder, 'results.json'), `${json}\n`);
    for (const result of results) writeFileAtomic(join(folder, `samples_${result.task}.jsonl`), sampleLines(result));
    writeFileAtomic(join(folder, 'junit.xml'), junitXml(run.model, results, checks));
    writeFileAtomic(join(folder, 'report.md'), markdownSummary(run.model, results, checks));
    writeBaseline(join(folder, BASELINE), makeBaseline(run.model, results));
    await finish(folder);
  });
}
