import { statSync } from 'node:fs';
import type { LoadedConfig } from '../config/index.ts';
import { sourceSchema } from '../config/schema/prepare.ts';
import { LlmkitError } from '../core/errors.ts';
import { describeFile, type FileRecord } from '../io/manifest.ts';
import { tokenizerInputs } from './cache.ts';
import { kindOf } from './encode/split-writer.ts';
import type { DataContext } from './progress.ts';
import { StageProgress } from './progress.ts';
import { detectMapping, type RowMapping } from './read/detect.ts';
import { type Shard, shardsOf, readShard } from './read/shards.ts';
import { filesOfSource, type SourceFile } from './read/sources.ts';
import type { NamedFile, Plan } from './stages/plan.ts';
import { INTERRUPTED } from './stages/pulse.ts';
import { configuredTemplate } from './tokenizer.ts';

/** A plan, and every file it reads with its hash. */
export interface Planned {
  plan: Plan;
  inputs: FileRecord[];
  /** Where the config names each source, for errors. */
  sourceWhere: string[];
  /** Rows in all, at most, where that can be told before reading. */
  rows: number | undefined;
}

/**
 * Finds the files of every source, hashes them, cuts them into shards, and recognizes their rows.
 *
 * @param shardBytes input that one task of `read` takes; by the size of the file unless given.
 *
 * @throws LlmkitError('config' or 'data') for sources that are missing, empty or of unknown form.
 */
export async function makePlan(loaded: LoadedConfig, context: DataContext, shardBytes?: number): Promise<Planned> {
  const { prepare: config, seed } = loaded.config;
  if (config.sources.length === 0) {
    throw loaded.missing(
      'prepare.sources',
      'say where the rows are: prepare: { sources: [{ path: data/train.jsonl }] }',
    );
  }
  const sourceWhere = config.sources.map((_, i) => loaded.where(`prepare.sources.${i}.path`));
  const plan: Plan = {
    config,
    kind: 'packed',
    seed,
    files: [],
    shards: [],
    keywords: named(loaded, config.keywords, 'prepare.keywords'),
    against: named(loaded, config.decontaminate?.against ?? [], 'prepare.decontaminate.against'),
    template: configuredTemplate(loaded)?.text,
    where: {
      tokenizer: loaded.where('prepare.tokenizer.special_tokens'),
      validation: loaded.where('prepare.split.validation'),
    },
  };
  const inputs: FileRecord[] = [];
  let total: number | undefined = 0;
  const progress = new StageProgress(context, 'plan', undefined);
  for (const [source, sourceConfig] of config.sources.entries()) {
    for (const file of await filesOfSource(loaded.resolvePath(sourceConfig.path), sourceConfig, sourceWhere[source]!)) {
      if (context.signal.aborted) throw new LlmkitError('interrupted', INTERRUPTED);
      const { shards, sha256, bytes, rows } = await shardsOf(
        file,
        shardBytes ?? shardBytesFor(statSync(file.path).size),
      );
      total = total === undefined || rows === undefined ? undefined : total + rows;
      inputs.push({ path: file.path, sha256, bytes });
      const mapping = await announce(file, shards, sourceConfig, context);
      const index = plan.files.push({ file, source, mapping }) - 1;
      plan.shards.push(...shards.map((shard) => ({ file: index, shard })));
      progress.add(1);
    }
  }
  inputs.push(...plan.keywords.map(({ path }) => describeFile(path)));
  for (const { path, where } of plan.against) {
    const files = await filesOfSource(path, sourceSchema.parse({ path }), where);
    inputs.push(...files.map((file) => describeFile(file.path)));
  }
  inputs.push(...tokenizerInputs(loaded));
  plan.kind = kindOf(
    plan.files.map(({ file, mapping }) => ({ name: file.name, type: mapping?.type })),
    config,
    loaded.where('prepare.overlength'),
  );
  progress.end(`${plan.files.length} files in ${plan.shards.length} parts`);
  return { plan, inputs, sourceWhere, rows: total };
}

const MOST_SHARD_BYTES = 32 * 2 ** 20;
const LEAST_SHARD_BYTES = 4 * 2 ** 20;

/** A 16th of a file, so that threads have about as much to do as one another; but no less than is worth a task. */
function shardBytesFor(fileBytes: number): number {
  return Math.min(MOST_SHARD_BYTES, Math.max(LEAST_SHARD_BYTES, Math.ceil(fileBytes / 16)));
}

/** Recognizes the rows of a file by the first that can be read, and says what was found. */
async function announce(
  file: SourceFile,
  shards: readonly Shard[],
  source: Plan['config']['sources'][number],
  context: DataContext,
): Promise<RowMapping | undefined> {
  for (const shard of shards) {
    for await (const record of readShard(shard)) {
      if ('error' in record) continue;
      const mapping = detectMapping(source, record.value, record.where);
      const unused = mapping.unused.length > 0 ? `; not used: ${mapping.unused.join(', ')}` : '';
      context.emit({ type: 'note', message: `${file.name}: ${file.found}, ${mapping.found}${unused}` });
      return mapping;
    }
  }
  return undefined;
}

function named(loaded: LoadedConfig, paths: readonly string[], key: string): NamedFile[] {
  return paths.map((path, i) => ({ path: loaded.resolvePath(path), where: loaded.where(`${key}.${i}`) }));
}
