import type { PrepareConfig, SourceConfig } from '../config/index.ts';
import { LlmkitError } from '../core/errors.ts';
import type { RawRecord } from '../io/records.ts';
import { cleanExample, isEmptyExample } from './clean.ts';
import { detectMapping, type RowMapping } from './detect.ts';
import { hashExample, type HashIndex } from './hash-index.ts';
import { mapRow } from './map.ts';
import type { DataContext } from './progress.ts';
import { Progress } from './progress.ts';
import { Refusals } from './refusals.ts';
import { RowList } from './row-list.ts';
import type { RowWriter } from './row-store.ts';
import { readRecords, type SourceFile } from './sources.ts';

/** A file of a source with the place of its config, for messages. */
export interface Input {
  file: SourceFile;
  source: SourceConfig;
  where: string;
}

/** What reading, mapping and cleaning did. */
export interface Ingested {
  read: number;
  malformed: RowList;
  empty: RowList;
  kept: number;
  sources: { file: string; format: string; rows: number; found: string; unused: string[] }[];
}

/**
 * Reads every source, maps its rows, cleans them, and writes them and their hashes to disk.
 *
 * @throws LlmkitError('data') for a source without rows, and for malformed rows unless they are to be skipped.
 */
export async function ingest(
  inputs: readonly Input[],
  config: PrepareConfig,
  seed: number,
  rows: RowWriter,
  index: HashIndex,
  context: DataContext,
): Promise<Ingested> {
  const result: Ingested = { read: 0, malformed: new RowList(), empty: new RowList(), kept: 0, sources: [] };
  const refused = new Refusals(config.malformed, result.malformed);
  const progress = new Progress(context, 'read', 'rows');
  for (const { file, source, where } of inputs) {
    let mapping: RowMapping | undefined;
    const before = result.read;
    for await (const record of readRecords(file)) {
      await progress.tick(() => ({ kept: result.kept }));
      result.read++;
      if ('error' in record) {
        refused.add(record.error, record.where);
        continue;
      }
      mapping ??= announce(file, source, record, context);
      try {
        const example = cleanExample(mapRow(record.value, mapping, record.where), config.clean);
        if (isEmptyExample(example)) {
          result.empty.add(record.where);
          continue;
        }
        rows.append({ id: record.where, example });
        index.add(hashExample(example, seed));
        result.kept++;
      } catch (error) {
        refused.add(error, record.where);
      }
    }
    if (result.read === before) throw new LlmkitError('data', `${file.name} holds no rows`, { where });
    result.sources.push({
      file: file.name,
      format: file.format,
      rows: result.read - before,
      found: mapping === undefined ? `${file.found}, no readable row` : `${file.found}, ${mapping.found}`,
      unused: mapping?.unused ?? [],
    });
  }
  refused.check();
  if (result.kept === 0) {
    throw new LlmkitError('data', 'no rows are left after reading and cleaning', {
      where: inputs.map((input) => input.file.name).join(', '),
      got: `${result.read} rows: ${result.malformed.count} malformed, ${result.empty.count} empty`,
    });
  }
  progress.end(`${result.read} rows read, ${result.kept} kept`);
  return result;
}

function announce(
  file: SourceFile,
  source: SourceConfig,
  record: Exclude<RawRecord, { error: LlmkitError }>,
  context: DataContext,
): RowMapping {
  const mapping = detectMapping(source, record.value, record.where);
  const unused = mapping.unused.length > 0 ? `; not used: ${mapping.unused.join(', ')}` : '';
  context.emit({ type: 'note', message: `${file.name}: ${file.found}, ${mapping.found}${unused}` });
  return mapping;
}
