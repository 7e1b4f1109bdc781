import type { PrepareConfig } from '../config/index.ts';
import type { Tokenizer } from '../tokenizer/index.ts';
import type { Duplicate } from './dedup.ts';
import type { Ingested } from './ingest.ts';
import type { Packed } from './pack-stage.ts';
import type { FunnelStep } from './types.ts';

export interface SplitReport {
  rows: number;
  examples: number;
  tokens: number;
  trainable_tokens: number;
  /** Tokens over rows times max_length: 1 leaves no padding. */
  packing_efficiency: number;
}

/** report.json: what happened to every row, and what the trainer will see. The same run gives the same bytes. */
export interface PrepareReport {
  funnel: FunnelStep[];
  splits: Record<string, SplitReport>;
  sources: Ingested['sources'];
  malformed: object;
  refused_by_template: object;
  empty: object;
  duplicates: { count: number; rows: { row: string; same_as: string }[] };
  overlength: object;
  without_target: object;
  target_cut_off: object;
  special_tokens_in_text: object;
  rendered_by: Record<string, number>;
  /** Tokens that end a trained answer; generation has to stop at them. */
  stop_tokens: { id: number; token: string; count: number }[];
  lengths: object;
  tokenizer: { vocab_size: number; eos_token_id: number; chat_template: boolean };
}

export interface ReportParts {
  config: PrepareConfig;
  ingested: Ingested;
  duplicates: { count: number; shown: Duplicate[] };
  /** The names of the rows that `duplicates` shows. */
  rowNames: ReadonlyMap<number, string>;
  validationRows: number;
  packed: Packed;
  tokenizer: Tokenizer;
}

export function makeReport(parts: ReportParts): PrepareReport {
  const { config, ingested, duplicates, rowNames, packed, tokenizer } = parts;
  const { fitter, encoder } = packed;
  const splits: Record<string, SplitReport> = {};
  for (const [name, writer] of packed.splits) {
    splits[name] = {
      rows: writer.rows,
      examples: writer.examples,
      tokens: writer.tokens,
      trainable_tokens: writer.targets,
      packing_efficiency: writer.rows === 0 ? 0 : round(writer.tokens / (writer.rows * config.max_length)),
    };
  }
  return {
    funnel: funnel(parts, splits),
    splits,
    sources: ingested.sources,
    malformed: ingested.malformed.toJSON(),
    refused_by_template: packed.refused.toJSON(),
    empty: ingested.empty.toJSON(),
    duplicates: {
      count: duplicates.count,
      rows: duplicates.shown.map(({ row, first }) => ({ row: rowNames.get(row)!, same_as: rowNames.get(first)! })),
    },
    overlength: { policy: config.overlength, targets_lost: fitter.targetsLost, ...fitter.overlength.toJSON() },
    without_target: fitter.untargeted.toJSON(),
    target_cut_off: fitter.cutOff.toJSON(),
    special_tokens_in_text: packed.specialInText.toJSON(),
    rendered_by: Object.fromEntries(encoder.renderings),
    stop_tokens: [...encoder.stops]
      .sort(([a], [b]) => a - b)
      .map(([id, count]) => ({ id, token: tokenizer.idToToken(id) ?? '', count })),
    lengths: packed.lengths.toJSON(),
    tokenizer: {
      vocab_size: tokenizer.vocabSize,
      eos_token_id: tokenizer.eosTokenId!,
      chat_template: tokenizer.chatTemplate !== undefined,
    },
  };
}

/** Rows from stage to stage; from the encoding on, their tokens too. */
function funnel(parts: ReportParts, splits: Record<string, SplitReport>): FunnelStep[] {
  const { config, ingested, duplicates, packed, validationRows } = parts;
  const { fitter } = packed;
  const readable = ingested.read - ingested.malformed.count;
  const unique = ingested.kept - duplicates.count;
  const total = (key: 'rows' | 'examples' | 'tokens') =>
    Object.values(splits).reduce((sum, split) => sum + split[key], 0);
  const unfit = fitter.untargeted.count + (config.overlength === 'drop' ? fitter.overlength.count : 0);
  const limit = `${fitter.overlength.count} over ${config.max_length} tokens (${config.overlength})`;
  const notes = [
    limit,
    `${fitter.untargeted.count} without a target`,
    `${fitter.cutOff.count} whose target was cut off`,
  ].filter((note) => !note.startsWith('0 '));
  const steps: FunnelStep[] = [
    {
      stage: 'read',
      rows: ingested.read,
      dropped: 0,
      note: ingested.sources.length === 1 ? '1 file' : `${ingested.sources.length} files`,
    },
    { stage: 'map', rows: readable, dropped: ingested.malformed.count, note: 'malformed' },
    { stage: 'clean', rows: ingested.kept, dropped: ingested.empty.count, note: 'empty' },
  ];
  if (config.dedup.exact) steps.push({ stage: 'dedup', rows: unique, dropped: duplicates.count, note: 'duplicates' });
  steps.push({ stage: 'split', rows: unique, dropped: 0, note: `${validationRows} held out for validation` });
  const rendered = [...packed.encoder.renderings.keys()].sort().join(', ');
  const refused = packed.refused.count;
  const note = `as ${rendered}${refused > 0 ? '; the rest refused by the chat template' : ''}`;
  steps.push({ stage: 'encode', rows: unique - refused, dropped: refused, note, tokens: packed.encodedTokens });
  const fitted = { rows: total('examples'), dropped: unfit, tokens: total('tokens') };
  steps.push({ stage: 'fit', ...fitted, note: notes.join(', ') });
  const packing = config.packing === 'best_fit' ? `best fit into rows of ${config.max_length}` : 'one example a row';
  steps.push({ stage: 'pack', rows: total('rows'), dropped: 0, note: packing, tokens: total('tokens') });
  return steps;
}

function round(value: number): number {
  return Number(value.toFixed(4));
}
