import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { delimiterOf, expandGlob, readCsv, readParquet } from '../../src/io/duckdb.ts';
import { readJsonLines, readLines, readText, type SampleBy } from '../../src/io/lines.ts';
import type { RawRecord } from '../../src/io/records.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-readers-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  writeFileSync(join(dir, name), content);
  return join(dir, name);
}
const plain = (record: RawRecord): unknown[] =>
  'error' in record ? [record.where, 'error', record.error.message] : [record.where, record.value];
async function collect(records: AsyncIterable<RawRecord> | Iterable<RawRecord>): Promise<unknown[][]> {
  const list: unknown[][] = [];
  for await (const record of records) list.push(plain(record));
  return list;
}

describe('readLines', () => {
  it('numbers lines, drops CRLF and a byte-order mark, and keeps a last line without an end', () => {
    const path = file('a.txt', '\ufeffone\r\n\r\ntwo\nthree\r');
    expect([...readLines(path)]).toEqual([
      { line: 1, text: 'one' },
      { line: 2, text: '' },
      { line: 3, text: 'two' },
      { line: 4, text: 'three' },
    ]);
    expect([...readLines(file('empty.txt', ''))]).toEqual([]);
  });

  it('joins characters and lines that cross the borders of chunks', () => {
    const lines = ['é'.repeat(200_000), '😀'.repeat(70_000), 'x'];
    const path = file('long.txt', `${lines.join('\n')}\n`);
    expect([...readLines(path)].map((item) => ('text' in item ? item.text : ''))).toEqual(lines);
  });

  it('says which byte of which line is not UTF-8, and goes on', () => {
    const bytes = Buffer.concat([Buffer.from('good 中\nb中d '), Buffer.of(0xff, 0xfe), Buffer.from('\nnext\n')]);
    const [good, bad, next] = [...readLines(file('utf8.txt', bytes), { name: 'x.txt' })];
    expect(good).toEqual({ line: 1, text: 'good 中' });
    expect(bad).toMatchObject({
      line: 2,
      error: { where: 'x.txt:2', message: 'the line is not UTF-8: byte 7 is 0xff' },
    });
    expect(next).toEqual({ line: 3, text: 'next' });
  });

  it('bounds a huge line, and goes on after it', () => {
    const path = file('huge.txt', `ok\n${'y'.repeat(2_000_000)}\nend`);
    const items = [...readLines(path, { maxBytes: 1_000_000 })];
    expect(items[1]).toMatchObject({ line: 2, error: { message: 'the line is 2.00 MB long' } });
    expect(items[2]).toEqual({ line: 3, text: 'end' });
  });

  it('refuses UTF-16 with the command that converts it', () => {
    const path = file('wide.txt', Buffer.from('\ufeffhello', 'utf16le'));
    expect(() => [...readLines(path)]).toThrow(/UTF-16/);
  });
});

describe('readJsonLines', () => {
  it('gives the place of what is not JSON or not an object, and goes on', async () => {
    const path = file('a.jsonl', '{"a":1}\n\n{"a": oops}\n[1]\n7\n{"a":"2024-01-01"}\n{"a"');
    const records = [...readJsonLines(path, { name: 'a.jsonl' })];
    expect(records.map((record) => record.where)).toEqual([1, 3, 4, 5, 6, 7].map((line) => `a.jsonl:${line}`));
    expect(records.map((record) => ('error' in record ? record.error.where : 'ok'))).toEqual([
      'ok',
      'a.jsonl:3:7',
      'a.jsonl:4',
      'a.jsonl:5',
      'ok',
      expect.stringMatching(/^a.jsonl:7:\d$/),
    ]);
  });

  it('knows a JSON array when it sees one', () => {
    expect(() => [...readJsonLines(file('array.json', '[\n{"a":1}\n]'))]).toThrow(/one JSON array/);
  });
});

describe('readText', () => {
  const text = '\none\ntwo\n\n  \nthree\n\n';
  it.each<[SampleBy, [number, string][]]>([
    [
      'line',
      [
        [2, 'one'],
        [3, 'two'],
        [6, 'three'],
      ],
    ],
    [
      'paragraph',
      [
        [2, 'one\ntwo'],
        [6, 'three'],
      ],
    ],
    ['document', [[1, '\none\ntwo\n\n  \nthree\n']]],
  ])('cuts by %s', async (sampleBy, expected) => {
    const records = await collect(readText(file('t.txt', text), sampleBy, { name: 't' }));
    expect(records).toEqual(expected.map(([line, value]) => [`t:${line}`, value]));
  });

  it('bounds a document', () => {
    expect(() => [...readText(file('d.txt', 'abc\n'.repeat(50)), 'document', { maxBytes: 100 })]).toThrow(
      /longer than/,
    );
  });
});

describe('readCsv', () => {
  it('reads quoted cells with delimiters, quotes and newlines; everything is text', async () => {
    const path = file('a.csv', '\ufefftext,n\n"a, ""b""\nc",007\n2024-01-02,\nlast,"x"');
    expect(await collect(readCsv(path, 'a.csv'))).toEqual([
      ['a.csv row 1', { text: 'a, "b"\nc', n: '007' }],
      ['a.csv row 2', { text: '2024-01-02', n: '' }],
      ['a.csv row 3', { text: 'last', n: 'x' }],
    ]);
  });

  it('gives the line of every row that does not fit, and of invalid UTF-8', async () => {
    const bytes = Buffer.concat([
      Buffer.from('text,label\nok,1\nonly\na,b,c\n'),
      Buffer.of(0xff),
      Buffer.from(',q\nend,2\n'),
    ]);
    const records = await collect(readCsv(file('bad.csv', bytes), 'bad.csv'));
    expect(records).toEqual([
      ['bad.csv row 1', { text: 'ok', label: '1' }],
      ['bad.csv row 2', { text: 'end', label: '2' }],
      ['bad.csv:3', 'error', expect.stringContaining('Expected Number of Columns: 2 Found: 1')],
      ['bad.csv:4', 'error', expect.stringContaining('Expected Number of Columns: 2 Found: 3')],
      ['bad.csv:5', 'error', expect.stringContaining('not utf-8')],
    ]);
  });

  it('does not lose a quote that never closes', async () => {
    const records = await collect(readCsv(file('open.csv', 'a,b\n1,2\n"3,4\n5,6\n'), 'open.csv'));
    expect(records).toEqual([
      ['open.csv row 1', { a: '1', b: '2' }],
      ['open.csv:3', 'error', expect.stringMatching(/quote/i)],
    ]);
  });

  it('refuses a header that names a column twice or not at all', async () => {
    await expect(collect(readCsv(file('twice.csv', 'a,b,"a"\n1,2,3\n')))).rejects.toThrow(/does not name its columns/);
    await expect(collect(readCsv(file('unnamed.csv', 'a,,b\n1,2,3\n')))).rejects.toThrow(/does not name its columns/);
  });

  it('finds the delimiter in the header', async () => {
    expect(['a,b;c,d', '"x,y,z";b;c', 'one', 'a\tb', 'a|b'].map(delimiterOf)).toEqual([',', ';', ',', '\t', '|']);
    expect(await collect(readCsv(file('s.csv', 'a;b\n1,2;3\n'), 's'))).toEqual([['s row 1', { a: '1,2', b: '3' }]]);
  });

  it('says what an empty or missing file lacks', async () => {
    await expect(collect(readCsv(file('none.csv', '')))).rejects.toThrow(/no header line/);
    await expect(collect(readCsv(join(dir, 'nope.csv')))).rejects.toThrow(/no such file/);
    expect(await collect(readCsv(file('head.csv', 'a,b\n')))).toEqual([]);
  });

  it('reads many rows in their order', async () => {
    const rows = Array.from({ length: 30_000 }, (_, i) => `${i},"v ${i}"`);
    const records = await collect(readCsv(file('many.csv', `i,v\n${rows.join('\n')}\n`)));
    expect(records.length).toBe(30_000);
    expect(records.every((record, i) => (record[1] as { i: string }).i === String(i))).toBe(true);
  });
});

describe('readParquet', () => {
  it('reads text and nested messages; a cut file is an error that names it', async () => {
    const path = join(dir, "it's.parquet");
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    await connection.run(
      `COPY (SELECT 'é' AS text, [{'role': 'user', 'content': 'hi'}] AS messages, NULL AS gone) TO '${path.replace("'", "''")}'`,
    );
    connection.closeSync();
    instance.closeSync();
    expect(await collect(readParquet(path, 'p'))).toEqual([
      ['p row 1', { text: 'é', messages: [{ role: 'user', content: 'hi' }], gone: null }],
    ]);
    await expect(collect(readParquet(file('cut.parquet', 'PAR1 and then nothing'), 'cut'))).rejects.toMatchObject({
      kind: 'data',
      where: 'cut',
    });
  });
});

describe('expandGlob', () => {
  it('lists the files in order', async () => {
    file('g2.jsonl', '');
    file('g1.jsonl', '');
    expect(await expandGlob(join(dir, 'g*.jsonl'))).toEqual([join(dir, 'g1.jsonl'), join(dir, 'g2.jsonl')]);
    expect(await expandGlob(join(dir, 'zz*.jsonl'))).toEqual([]);
  });
});
