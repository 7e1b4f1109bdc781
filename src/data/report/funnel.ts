import type { ReportParts } from './report.ts';

/** Rows and text at one stage, for the funnel of the report. */
export interface FunnelStep {
  stage: string;
  rows: number;
  /** Rows lost on the way into this stage. */
  dropped: number;
  /** Why, when rows were lost; what was done otherwise. */
  note: string;
  /** UTF-16 units of text, from the mapping to the split. */
  characters?: number;
  /** From the encoding on; before it, an estimate by the characters a token has, with `estimated`. */
  tokens?: number;
  estimated?: true;
}

/** Rows and tokens from stage to stage. */
export function makeFunnel(parts: ReportParts): FunnelStep[] {
  const { planned, reads, decided, encoded, splits } = parts;
  const { config, files } = planned.plan;
  const steps: FunnelStep[] = [
    { stage: 'read', rows: reads.read, dropped: 0, note: files.length === 1 ? '1 file' : `${files.length} files` },
  ];
  const dropsOf = (stage: string) =>
    Object.entries(reads.drops)
      .filter(([rule]) => rule.split('.')[0] === stage)
      .sort(([, a], [, b]) => b.count - a.count)
      .map(([rule, { count }]) => `${count} by ${rule}`);
  let before = reads.read;
  for (const [stage, { rows, characters }] of Object.entries(reads.stages)) {
    const note = stage === 'map' ? 'malformed' : stage === 'clean' ? 'empty' : listed(dropsOf(stage));
    steps.push({ stage, rows, dropped: before - rows, note, characters });
    before = rows;
  }
  // Rows of which the filters left nothing are gone after the last step.
  if (before > reads.kept) steps.at(-1)!.rows = reads.kept;
  const kept = reads.kept - decided.exact - decided.near;
  const characters = Math.max(0, (steps.at(-1)!.characters ?? 0) - decided.characters);
  if (config.dedup.exact || config.dedup.near !== false) {
    const near = config.dedup.near === false ? '' : `, ${decided.near} near duplicates`;
    const note = config.dedup.near === false ? 'duplicates' : `${decided.exact} equal${near}`;
    steps.push({ stage: 'dedup', rows: kept, dropped: decided.exact + decided.near, note, characters });
  }
  steps.push({
    stage: 'split',
    rows: kept,
    dropped: 0,
    note: `${decided.validation} held out for validation`,
    characters,
  });
  estimateTokens(steps, encoded.tokens / Math.max(1, characters));

  const { fit } = encoded;
  const total = (key: 'rows' | 'examples' | 'tokens') =>
    Object.values(splits).reduce((sum, split) => sum + split[key], 0);
  const rendered = Object.keys(encoded.renderings).sort().join(', ');
  const weights = [
    encoded.repeated > 0 ? `${encoded.repeated} repeated by weight` : '',
    encoded.leftOut > 0 ? `${encoded.leftOut} left out by weight` : '',
    encoded.refused.count > 0 ? `${encoded.refused.count} refused by the chat template` : '',
  ].filter((note) => note !== '');
  steps.push({
    stage: 'encode',
    rows: encoded.rows,
    dropped: kept - encoded.rows,
    note: [`as ${rendered}`, ...weights].join('; '),
    tokens: encoded.tokens,
  });
  const unfit = fit.untargeted.count + (config.overlength === 'drop' ? fit.overlength.count : 0);
  const notes = [
    `${fit.overlength.count} over ${config.max_length} tokens (${config.overlength})`,
    `${fit.untargeted.count} without a target`,
    `${fit.cutOff.count} whose target was cut off`,
  ].filter((note) => !note.startsWith('0 '));
  steps.push({
    stage: 'fit',
    rows: total('examples'),
    dropped: unfit,
    note: notes.join(', '),
    tokens: total('tokens'),
  });
  const packing = config.packing === 'best_fit' ? `best fit into rows of ${config.max_length}` : 'one example a row';
  steps.push({ stage: 'pack', rows: total('rows'), dropped: 0, note: packing, tokens: total('tokens') });
  return steps;
}

const LISTED = 2;

/** `12 by a, 3 by b and 4 other rules` */
function listed(reasons: readonly string[]): string {
  const rest = reasons.length - LISTED;
  const shown = reasons.slice(0, LISTED).join(', ');
  return rest > 0 ? `${shown} and ${rest} other ${rest === 1 ? 'rule' : 'rules'}` : shown;
}

function estimateTokens(steps: FunnelStep[], tokensPerCharacter: number): void {
  for (const step of steps) {
    if (step.characters === undefined) continue;
    step.tokens = Math.round(step.characters * tokensPerCharacter);
    step.estimated = true;
  }
}
