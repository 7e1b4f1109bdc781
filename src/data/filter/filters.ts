import type { PrepareConfig } from '../../config/index.ts';
import type { Drop, RowStep, StepResult } from '../row-step.ts';
import { documentOf } from '../texts.ts';
import type { Example } from '../types.ts';
import { C4, type C4Config } from './c4.ts';
import { judgeFineweb } from './fineweb.ts';
import { judgeQuality } from './gopher-quality.ts';
import { GopherRepetition } from './gopher-repetition.ts';
import { TextReader, type TextView } from './text-view.ts';

const STAGE = 'filters';

/**
 * The filters that the config turns on, in the order of the FineWeb pipeline: Gopher repetition, Gopher quality, C4,
 * FineWeb. A row is judged as one document, its texts joined by newlines; every drop names the key of the config that
 * decided it, what was measured and the limit. With the default thresholds, the decisions on English text are
 * datatrove's. A limit of 0 is a limit, not "off" as there.
 */
export function makeFilters(config: PrepareConfig['filters']): RowStep[] {
  const { gopher_repetition, gopher_quality, c4, fineweb } = config;
  const reader = new TextReader(config.language);
  const steps: RowStep[] = [];
  if (gopher_repetition !== false) {
    const repetition = new GopherRepetition(gopher_repetition);
    steps.push(judging(reader, (view) => repetition.judge(view)));
  }
  if (gopher_quality !== false) steps.push(judging(reader, (view) => judgeQuality(view, gopher_quality)));
  if (c4 !== false) steps.push(c4Step(reader, c4));
  if (fineweb !== false) steps.push(judging(reader, (view) => judgeFineweb(view, fineweb)));
  return steps;
}

/** A step that leaves rows as they are. */
function judging(reader: TextReader, judge: (view: TextView) => Drop | undefined): RowStep {
  return {
    stage: STAGE,
    counts: {},
    apply(example) {
      const drop = judge(reader.read(documentOf(example)));
      return drop === undefined ? { example } : { drop };
    },
  };
}

/** Takes lines out of `text` rows. Turns of a conversation stay whole: they are judged by what C4 would leave. */
function c4Step(reader: TextReader, config: C4Config): RowStep {
  const c4 = new C4(config);
  const counts: Record<string, number> = {};
  return {
    stage: STAGE,
    counts,
    apply(example: Example): StepResult {
      const view = reader.read(documentOf(example));
      const { text, drop, dropped } = c4.judge(view.text, view.chinese);
      if (drop !== undefined) return { drop };
      if (example.type !== 'text' || text === view.text) return { example };
      for (const [rule, lines] of dropped) {
        const name = `c4 lines dropped by ${rule}`;
        counts[name] = (counts[name] ?? 0) + lines;
      }
      return { example: { type: 'text', text } };
    },
  };
}
