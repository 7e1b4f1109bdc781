import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DatasetWriter, datasetSplits, openDataset, writeDatasetDict } from '../../src/io/arrow.ts';

const GOLDEN = join(import.meta.dirname, '../golden/io');
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-arrow-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

const features = { ids: 'list<int32>', text: 'string', n: 'int64', k: 'int32' } as const;
const rowAt = (i: number) => ({
  ids: Int32Array.from({ length: (i * 7) % 11 }, (_, j) => i * 100 - j),
  text: `row ${i} 中文 😀`,
  n: i * 2 ** 40,
  k: 7 - i,
});

function write(name: string, rows: number, options = {}): string {
  const target = join(dir, name);
  const writer = new DatasetWriter(target, features, options);
  for (let i = 0; i < rows; i++) writer.append(rowAt(i));
  writer.finish();
  return target;
}

describe('a dataset that HF datasets wrote', () => {
  it('reads back row by row, from two files, with nulls, int64 lists and empty lists', () => {
    const expected = (
      JSON.parse(readFileSync(join(GOLDEN, 'hf-dataset.json'), 'utf8')) as { rows: Record<string, unknown[]> }
    ).rows;
    const root = join(GOLDEN, 'hf-dataset');
    expect(datasetSplits(root)).toEqual(['train', 'validation']);
    const data = openDataset(join(root, 'train'));
    expect(data.numRows).toBe(25);
    expect(data.features).toEqual({
      input_ids: 'list<int32>',
      wide: 'list<int64>',
      text: 'string',
      n: 'int64',
      maybe: 'int32',
    });
    for (const i of [24, 0, 12, 13, 1]) {
      const row = data.row(i);
      for (const [name, values] of Object.entries(expected)) {
        const cell = row[name];
        expect(cell instanceof Int32Array ? [...cell] : cell, `${name}[${i}]`).toEqual(values[i]);
      }
    }
    data.close();
  });

  it('is several splits: opening it as one says which there are', () => {
    expect(() => openDataset(join(GOLDEN, 'hf-dataset'))).toThrow(/holds several splits/);
  });
});

describe('a dataset that we wrote', () => {
  it('reads back whatever the batch and file boundaries', () => {
    const target = write('parts', 300, { batchBytes: 400, shardBytes: 9000 });
    expect(readdirSync(target).filter((name) => name.endsWith('.arrow')).length).toBeGreaterThan(3);
    const data = openDataset(target);
    expect(data.numRows).toBe(300);
    expect([...data.rows()]).toEqual(Array.from({ length: 300 }, (_, i) => rowAt(i)));
    expect(data.cell(177, 'ids')).toEqual(rowAt(177).ids);
    expect(() => data.cell(0, 'nope')).toThrow(/no column nope/);
    expect(() => data.row(300)).toThrow(/row 300/);
    data.close();
  });

  it('may be empty', () => {
    const data = openDataset(write('empty', 0));
    expect(data.numRows).toBe(0);
    expect(Object.keys(data.features)).toEqual(['ids', 'text', 'n', 'k']);
    data.close();
  });

  it('has the same bytes when written again', () => {
    const bytes = (target: string) =>
      readdirSync(target)
        .sort()
        .map((name) => readFileSync(join(target, name)));
    expect(bytes(write('one', 50))).toEqual(bytes(write('two', 50)));
  });

  it('refuses a row without a column', () => {
    const writer = new DatasetWriter(join(dir, 'partial'), features);
    expect(() => writer.append({ ids: [1] })).toThrow(/row 0 has no text/);
  });

  it('is one split of several when the root says so', () => {
    write('dict/train', 2);
    writeDatasetDict(join(dir, 'dict'), ['train']);
    expect(datasetSplits(join(dir, 'dict'))).toEqual(['train']);
  });
});

describe('a damaged dataset', () => {
  const file = 'data-00000-of-00001.arrow';

  it('names the file wherever it was cut', () => {
    const source = write('whole', 20, { batchBytes: 300 });
    const size = readFileSync(join(source, file)).length;
    const target = join(dir, 'cut');
    for (const keep of [0, 4, 100, 700, Math.floor(size / 2), size - 9, size - 8]) {
      cpSync(source, target, { recursive: true });
      truncateSync(join(target, file), keep);
      expect(() => openDataset(target), `cut to ${keep} of ${size}`).toThrow(new RegExp(`cut/${file}`));
    }
  });

  it('says so when a file is missing, not Arrow, or state.json is broken', () => {
    const target = write('broken', 3);
    writeFileSync(join(target, file), Buffer.alloc(5000, 'x'));
    expect(() => openDataset(target)).toThrow(/not an Arrow IPC stream/);
    rmSync(join(target, file));
    expect(() => openDataset(target)).toThrow(/no such file/);
    writeFileSync(join(target, 'state.json'), '{');
    expect(() => openDataset(target)).toThrow(/state.json is not JSON/);
  });
});
