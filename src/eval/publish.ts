import { appendFileSync } from 'node:fs';
import type { CommandContext } from '../core/events.ts';
import { ioError, writeFileAtomic } from '../io/atomic.ts';
import { baselineFile, makeBaseline, writeBaseline } from './baseline.ts';
import type { GateCheck } from './gate.ts';
import type { TaskResult } from './metrics.ts';
import { junitXml } from './reporters/junit.ts';
import { githubAnnotations, markdownSummary } from './reporters/markdown.ts';

export interface Destinations {
  /** File or folder of the baseline that is to be written. */
  baseline: string | undefined;
  junit: string | undefined;
  githubSummary: boolean;
}

/** What goes elsewhere than the eval folder: a new baseline, CI's files and annotations. */
export function publish(
  to: Destinations,
  model: string,
  results: readonly TaskResult[],
  checks: readonly GateCheck[],
  context: CommandContext,
): void {
  if (to.baseline !== undefined) {
    const path = baselineFile(to.baseline);
    writeBaseline(path, makeBaseline(model, results));
    context.emit({ type: 'artifact', kind: 'baseline', path });
  }
  if (to.junit !== undefined) {
    writeFileAtomic(to.junit, junitXml(model, results, checks));
    context.emit({ type: 'artifact', kind: 'junit', path: to.junit });
  }
  if (!to.githubSummary) return;
  const summary = process.env['GITHUB_STEP_SUMMARY'];
  if (summary === undefined) {
    const message = 'GITHUB_STEP_SUMMARY is not set: no summary was written';
    context.emit({ type: 'warning', message, hint: 'GitHub Actions sets it' });
  } else {
    try {
      appendFileSync(summary, markdownSummary(model, results, checks));
    } catch (error) {
      throw ioError(error, `cannot write ${summary}`, summary);
    }
  }
  for (const line of githubAnnotations(checks)) context.emit({ type: 'text', text: `${line}\n` });
}
