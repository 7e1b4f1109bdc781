import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sourceSchema } from '../../src/config/schema/prepare.ts';
import { readRecords, readShard, shardsOf } from '../../src/data/read/shards.ts';
import { filesOfSource, placeOf, type SourceFile } from '../../src/data/read/sources.ts';
import type { RawRecord } from '../../src/io/records.ts';

const GOLDEN = join(import.meta.dirname, '../golden/io/readers');

let dir: string;
let next = 0;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-read-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

/** A folder of its own with these files. */
function folder(files: Record<string, string | Uint8Array>): string {
  const path = join(dir, String(next++));
  mkdirSync(path);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), content);
  }
  return path;
}
const find = (path: string, more: object = {}) =>
  filesOfSource(path, sourceSchema.parse({ path, ...more }), 'config.yaml:1');
async function names(path: string, more: object = {}): Promise<string[]> {
  return (await find(path, more)).map((file) => file.path.slice(dir.length + 1).replace(/^\d+\//, ''));
}
async function one(name: string, content: string | Uint8Array, more: object = {}): Promise<SourceFile> {
  return (await find(join(folder({ [name]: content }), name), more))[0]!;
}
async function records(file: SourceFile): Promise<RawRecord[]> {
  const list: RawRecord[] = [];
  for await (const record of readRecords(file)) list.push(record);
  return list;
}
const values = (list: readonly RawRecord[]) =>
  list.map((record) => ('value' in record ? record.value : record.error.message));

describe('the files of a source', () => {
  it('come out of folders and the folders in them, sorted, without hidden ones', async () => {
    const path = folder({
      'b.jsonl': '{}',
      'a/z.jsonl.gz': gzipSync('{}'),
      'a/.git/x.jsonl': '{}',
      '.hidden.jsonl': '{}',
      'a/notes.docx': 'x',
      'c.json': '[]',
    });
    expect(await names(path)).toEqual(['a/z.jsonl.gz', 'b.jsonl', 'c.json']);
    expect(await names(path, { format: 'json' })).toEqual(['c.json']);
    expect(await names(join(path, '**/*.jsonl*'))).toEqual(['a/z.jsonl.gz', 'b.jsonl']);
    expect(await names(join(path, '?.jsonl'))).toEqual(['b.jsonl']);
  });

  it('follow links once, and do not go round', async () => {
    const path = folder({ 'a/x.jsonl': '{}', 'b/y.jsonl': '{}' });
    symlinkSync(path, join(path, 'a/loop'));
    symlinkSync(join(path, 'b'), join(path, 'linked'));
    expect(await names(path)).toEqual(['a/x.jsonl', 'b/y.jsonl']);
    expect((await names(join(path, '**/*.jsonl'))).map((name) => name.split('/').at(-1)).sort()).toEqual([
      'x.jsonl',
      'y.jsonl',
    ]);
    symlinkSync(join(path, 'gone.jsonl'), join(path, 'broken.jsonl'));
    await expect(find(path)).rejects.toThrow(/broken.jsonl is a link to a file that is not there/);
  });

  it('of a dataset that save_to_disk wrote are its arrow files', async () => {
    const path = folder({ 'x.jsonl': '{}' });
    cpSync(join(GOLDEN, 'saved'), join(path, 'saved'), { recursive: true });
    writeFileSync(join(path, 'saved/cache-1.arrow'), 'a cache');
    const files = await find(join(path, 'saved'));
    expect(files.map((file) => file.format)).toEqual(['arrow', 'arrow']);
    const rows = (await Promise.all(files.map(records))).flat();
    expect(values(rows)).toEqual([0, 1, 2, 3].map((i) => ({ text: `saved ${i}` })));
    expect((await find(path)).length).toBe(3);
    writeFileSync(join(path, 'dataset_dict.json'), '{"splits": ["train", "test"]}');
    await expect(find(path)).rejects.toMatchObject({
      got: 'splits train, test',
      hint: expect.stringMatching(/train$/),
    });
  });

  it.each([
    ['nothing there', {}, 'gone.jsonl', /there is no file/],
    ['an empty file', { 'a.jsonl': '' }, 'a.jsonl', /a.jsonl is empty/],
    ['a folder without data', { 'a/b.docx': 'x' }, '', /holds no data files/],
    ['a pattern without a match', { 'a.jsonl': '{}' }, '*.csv', /no file matches/],
    ['an unknown name', { 'a.xyz': 'x' }, 'a.xyz', /format of .* cannot be told/],
    ['an archive', { 'a.jsonl.zip': 'x' }, 'a.jsonl.zip', /cannot be told/],
    ['a README beside tables', { 'README.md': 'x', 'a.jsonl': '{}' }, '', /documents and tables/],
    ['a name that lies', { 'a.jsonl.gz': '{"a":1}' }, 'a.jsonl.gz', /not packed as its name says/],
  ])('say so when there is %s', async (_, files, name, message) => {
    await expect(find(join(folder(files as Record<string, string>), name))).rejects.toMatchObject({
      kind: 'data',
      message: expect.stringMatching(message),
      where: 'config.yaml:1',
    });
  });

  it('say what they are and from what', async () => {
    const found = async (name: string, content: string | Uint8Array, more: object = {}) =>
      (await one(name, content, more)).found;
    expect(await found('a.jsonl', '{}')).toBe('jsonl (from .jsonl)');
    expect(await found('a.txt.gz', gzipSync('a\n\nb'))).toBe(
      'txt (from .txt, unpacked from gz) by paragraph (blank lines part them)',
    );
    expect(await found('a.md', 'a\nb\n')).toBe('txt (from .md) by line (there are no blank lines)');
    expect(await found('a.dat', 'a', { format: 'txt', sample_by: 'document' })).toBe(
      'txt (config) by document (config)',
    );
    expect(await found('a.json', '{"rows":[{"a":1}]}')).toBe('json (from .json): rows under rows');
    expect(await found('a.jsonl', gzipSync('{}'))).toBe('jsonl (from .jsonl, unpacked from gz)');
  });
});

describe('reading a file', () => {
  const rows = [{ text: 'one' }, { text: 'zwei 中' }];
  const jsonl = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  it.each<[string, string | Uint8Array, unknown[]]>([
    ['a.jsonl', jsonl, rows],
    ['a.jsonl.gz', gzipSync(jsonl), rows],
    ['lines.json', jsonl, rows],
    ['a.json', JSON.stringify(rows), rows],
    ['a.json.gz', gzipSync(JSON.stringify(rows, null, 2)), rows],
    ['o.json', JSON.stringify({ info: {}, data: rows }), rows],
    ['one.json', JSON.stringify(rows[0], null, 2), rows.slice(0, 1)],
    ['a.txt', 'one\ntwo\n', ['one', 'two']],
    ['a.txt.gz', gzipSync('one\n1\n\ntwo\n'), ['one\n1', 'two']],
    ['a.csv', 'text\none\nzwei 中\n', rows],
    ['a.tsv.gz', gzipSync('text\tn\none\t1\n'), [{ text: 'one', n: '1' }]],
    ['a.html', '<p>x</p>', ['<p>x</p>']],
    ['a.html.gz', gzipSync('<p>x</p>'), ['<p>x</p>']],
    [
      'a.arrow.gz',
      gzipSync(readFileSync(join(GOLDEN, 'saved/data-00000-of-00002.arrow'))),
      [{ text: 'saved 0' }, { text: 'saved 1' }],
    ],
    [
      'a.parquet.gz',
      gzipSync(readFileSync(join(GOLDEN, 'table.parquet'))),
      [0, 1, 2, 3, 4].map((i) => expect.objectContaining({ score: i / 4 })),
    ],
  ])('%s', async (name, content, expected) => {
    const file = await one(name, content);
    const list = await records(file);
    expect(values(list)).toEqual(expected);
    expect(file.html).toBe(name.includes('html'));
    for (const { where, row } of list) expect(placeOf(file, row)).toBe(where);
  });

  it('gives every place by its number, bad rows too', async () => {
    const bad: [string, string | Uint8Array][] = [
      ['a.jsonl', '{"a":1}\noops\n[1]\n'],
      ['a.json', '[{"a":1}, oops, {"a":2}]'],
      ['a.txt', Buffer.from('ok\nb\xffd\n', 'latin1')],
      ['a.csv', 'a,b\n1,2\n3\n'],
      ['a.html', Buffer.from('<p>\xff', 'latin1')],
    ];
    for (const [name, content] of bad) {
      const file = await one(name, content);
      const list = await records(file);
      expect(list.some((record) => 'error' in record)).toBe(true);
      for (const { where, row } of list) expect(placeOf(file, row)).toBe(where);
    }
  });

  it('stops at an archive that is cut, in every format', async () => {
    const text = Array.from(
      { length: 3000 },
      (_, i) => `{"text":"${createHash('sha256').update(`${i}`).digest('hex')}"}`,
    );
    for (const [name, content] of [
      ['a.jsonl.gz', text.join('\n')],
      ['a.txt.gz', text.join('\n')],
      ['a.csv.gz', `text\n${text.join('\n').replaceAll('"', '')}`],
      ['a.html.gz', text.join('\n')],
      ['a.arrow.gz', readFileSync(join(GOLDEN, 'stream.arrow'))],
    ] as const) {
      const packed = gzipSync(content);
      await expect(one(name, packed.subarray(0, packed.length - 6)).then(records)).rejects.toMatchObject({
        kind: 'data',
        message: expect.stringContaining('is cut off'),
        where: expect.stringMatching(/at byte \d+$/),
      });
    }
    const cut = gzipSync(`[${text.join(',')}]`);
    await expect(one('a.json.gz', cut.subarray(0, cut.length >> 1)).then(records)).rejects.toThrow(/is cut off/);
  });

  it('reads files of one source that differ, each by itself', async () => {
    const path = folder({ 'a.jsonl': '{"text":"x"}\n{"other":1}\n', 'b.csv': 'prompt,completion\na,b\n' });
    expect((await find(path)).map((file) => file.format)).toEqual(['jsonl', 'csv']);
  });
});

describe('shards', () => {
  async function read(file: SourceFile, targetBytes: number): Promise<{ sizes: number[]; all: RawRecord[] }> {
    const { shards, sha256, bytes } = await shardsOf(file, targetBytes);
    const content = readFileSync(file.path);
    expect(sha256).toBe(createHash('sha256').update(content).digest('hex'));
    expect(bytes).toBe(content.length);
    expect(shards.map(({ start }) => start)).toEqual([0, ...shards.slice(0, -1).map(({ end }) => end)]);
    expect(shards.at(-1)!.end).toBe(bytes);
    const all: RawRecord[] = [];
    // A shard crosses to other threads as JSON.
    for (const shard of JSON.parse(JSON.stringify(shards)) as typeof shards) {
      for await (const record of readShard(shard)) all.push(record);
    }
    return { sizes: shards.map(({ start, end }) => end - start), all };
  }

  it('of JSON lines give the rows of the file with their line numbers, wherever it is cut', async () => {
    const lines = Array.from({ length: 500 }, (_, i) => JSON.stringify({ i, text: '中é'.repeat(i % 37) }));
    lines[77] = '';
    lines[300] = 'not JSON';
    for (const end of ['\n', '']) {
      const file = await one('a.jsonl', lines.join('\n') + end);
      const whole = await records(file);
      for (const target of [1, 100, 1000, 30_000, 2 ** 25]) {
        const { sizes, all } = await read(file, target);
        expect(all).toEqual(whole);
        if (target === 2 ** 25) expect(sizes.length).toBe(1);
        if (target === 1000) expect(Math.max(...sizes)).toBeLessThan(1400);
      }
    }
  });

  it('of texts are cut between lines or paragraphs, never inside one', async () => {
    const line = fc.constantFrom('', ' ', 'a', 'bb 中', '\t', 'x'.repeat(50));
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { maxLength: 60 }),
        fc.integer({ min: 1, max: 200 }),
        fc.constantFrom('line', 'paragraph'),
        fc.constantFrom('\n', '\r\n'),
        async (lines, target, sampleBy, end) => {
          const file = await one('a.txt', `${lines.join(end)}${end}`, { sample_by: sampleBy });
          const { all } = await read(file, target);
          expect(all).toEqual(await records(file));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('cross the borders of what is read at once', async () => {
    const lines = Array.from({ length: 40_000 }, (_, i) => `${i} ${'y'.repeat(i % 97)}${i % 50 === 0 ? '\n' : ''}`);
    for (const sample_by of ['line', 'paragraph']) {
      const file = await one('a.txt', lines.join('\n'), { sample_by });
      const { sizes, all } = await read(file, 300_000);
      expect(sizes.length).toBeGreaterThan(5);
      expect(all).toEqual(await records(file));
    }
  });

  it('of Parquet files are row groups, with the rows numbered through', async () => {
    const path = join(folder({}), 'groups.parquet');
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    await connection.run(
      `COPY (SELECT 'row ' || i AS text FROM range(10000) t(i)) TO '${path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)`,
    );
    connection.closeSync();
    instance.closeSync();
    const file = (await find(path))[0]!;
    const { shards, bytes, sha256 } = await shardsOf(file, 30_000);
    expect(bytes).toBe(readFileSync(path).length);
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(shards.length).toBe(3);
    const all: RawRecord[] = [];
    for (const shard of shards) for await (const record of readShard(shard)) all.push(record);
    expect(all).toEqual(await records(file));
    expect(all.length).toBe(10_000);
    expect(all[9999]).toEqual({ where: placeOf(file, 10_000), row: 10_000, value: { text: 'row 9999' } });
  });

  it('are one for files that cannot be cut', async () => {
    for (const [name, content] of [
      ['a.json', JSON.stringify(Array.from({ length: 50 }, (_, i) => ({ i })))],
      ['a.jsonl.gz', gzipSync('{"a":1}\n'.repeat(100))],
      ['a.csv', `a\n${'1\n'.repeat(100)}`],
    ] as const) {
      const { sizes } = await read(await one(name, content), 10);
      expect(sizes.length).toBe(1);
    }
  });
});
