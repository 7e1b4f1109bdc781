import type { PrepareConfig } from '../../config/index.ts';
import type { Tokenizer } from '../../tokenizer/index.ts';
import type { SplitResult } from '../encode/packed-writer.ts';
import type { Planned } from '../make-plan.ts';
import type { DecideResult } from '../stages/decide-task.ts';
import type { EncodeOutcome, ReadOutcome } from '../stages/outcome.ts';
import type { DropTally, RowTally } from '../tally.ts';
import { type FunnelStep, makeFunnel } from './funnel.ts';

export interface SplitReport {
  rows: number;
  examples: number;
  tokens: number;
  trainable_tokens: number;
  /** Tokens over rows times max_length (twice that for pairs): 1 leaves no padding. */
  packing_efficiency: number;
}

/** report.json: what happened to every row, and what the trainer will see. The same run gives the same bytes. */
export interface PrepareReport {
  funnel: FunnelStep[];
  splits: Record<string, SplitReport>;
  sources: { file: string; format: string; rows: number; found: string; unused: string[]; weight: number }[];
  malformed: RowTally;
  refused_by_template: RowTally;
  empty: RowTally;
  /** What the row steps changed: `pii: email redacted`, `clean: mojibake mended`, ... */
  changes: Record<string, number>;
  /** Rows that keyword rules flagged, by rule. */
  flags: Record<string, RowTally>;
  /** Rows that rules dropped, by the rule's config key, with examples. */
  dropped_by_rule: Record<string, DropTally>;
  duplicates: {
    exact: number;
    near: number;
    clusters: DecideResult['clusters'];
    largest: DecideResult['shown'];
  };
  overlength: RowTally & { policy: PrepareConfig['overlength']; targets_lost: number };
  without_target: RowTally;
  target_cut_off: RowTally;
  special_tokens_in_text: RowTally;
  /** Evaluation answers that rows were held against; those without enough words of their own cannot be recognized. */
  decontamination?: { answers: number; unrecognizable: number; ngrams: number };
  /** Of a sample of the rows kept. */
  languages: { sampled: number; rows: Record<string, number> };
  /** Training rows used more than once, and not used, by the weights of their sources. */
  weights: { repeated: number; left_out: number };
  rendered_by: Record<string, number>;
  /** Tokens that end a trained answer; generation has to stop at them. */
  stop_tokens: { id: number; token: string; count: number }[];
  lengths: ReturnType<EncodeOutcome['lengths']['toJSON']>;
  tokenizer: { vocab_size: number; eos_token_id: number; chat_template: boolean };
}

export interface ReportParts {
  planned: Planned;
  reads: ReadOutcome;
  decided: DecideResult;
  encoded: EncodeOutcome;
  splits: Readonly<Record<string, SplitResult>>;
  tokenizer: Tokenizer;
}

export function makeReport(parts: ReportParts): PrepareReport {
  const { planned, reads, decided, encoded, tokenizer } = parts;
  const { config } = planned.plan;
  const { fit } = encoded;
  const tokensOfRow = (planned.plan.kind === 'pairs' ? 2 : 1) * config.max_length;
  return {
    funnel: makeFunnel(parts),
    splits: Object.fromEntries(
      Object.entries(parts.splits).map(([name, split]) => [name, splitReport(split, tokensOfRow)]),
    ),
    sources: sourcesOf(parts),
    malformed: reads.malformed,
    refused_by_template: encoded.refused,
    empty: reads.empty,
    changes: sortedByName(reads.counts),
    flags: sortedByName(reads.flags),
    dropped_by_rule: sortedByName(reads.drops),
    duplicates: { exact: decided.exact, near: decided.near, clusters: decided.clusters, largest: decided.shown },
    overlength: { policy: config.overlength, targets_lost: fit.targetsLost, ...fit.overlength },
    without_target: fit.untargeted,
    target_cut_off: fit.cutOff,
    special_tokens_in_text: encoded.specialInText,
    ...(reads.evaluation === undefined ? {} : { decontamination: reads.evaluation }),
    languages: { sampled: reads.languages.sampled, rows: sortedByName(reads.languages.rows) },
    weights: { repeated: encoded.repeated, left_out: encoded.leftOut },
    rendered_by: sortedByName(encoded.renderings),
    stop_tokens: [...encoded.stops]
      .sort(([a], [b]) => a - b)
      .map(([id, count]) => ({ id, token: tokenizer.idToToken(id) ?? '', count })),
    lengths: encoded.lengths.toJSON(),
    tokenizer: {
      vocab_size: tokenizer.vocabSize,
      eos_token_id: tokenizer.eosTokenId!,
      chat_template: tokenizer.chatTemplate !== undefined,
    },
  };
}

function sourcesOf({ planned, reads }: ReportParts): PrepareReport['sources'] {
  const { files, shards, config } = planned.plan;
  return files.map(({ file, source, mapping }, index) => ({
    file: file.name,
    format: file.format,
    rows: shards.reduce((sum, shard, i) => sum + (shard.file === index ? reads.shardRows[i]! : 0), 0),
    found: mapping === undefined ? `${file.found}, no readable row` : `${file.found}, ${mapping.found}`,
    unused: mapping?.unused ?? [],
    weight: config.sources[source]!.weight,
  }));
}

function splitReport({ rows, examples, tokens, targets }: SplitResult, tokensOfRow: number): SplitReport {
  const filled = rows === 0 ? 0 : Number((tokens / (rows * tokensOfRow)).toFixed(4));
  return { rows, examples, tokens, trainable_tokens: targets, packing_efficiency: filled };
}

function sortedByName<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
