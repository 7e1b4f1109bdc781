import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CsvRows, delimiterOf } from '../../src/io/csv.ts';
import { expandGlob, readParquet } from '../../src/io/duckdb.ts';
import { readChunks } from '../../src/io/bytes.ts';
import { JsonLines } from '../../src/io/json-lines.ts';
import { readLines } from '../../src/io/lines.ts';
import { type RawRecord, recordsOf } from '../../src/io/records.ts';
import { HtmlDocument, type SampleBy, TextDocuments } from '../../src/io/text.ts';

const GOLDEN = join(import.meta.dirname, '../golden/io/readers');

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

function readJsonLines(path: string, options: { name?: string } = {}): Iterable<RawRecord> {
  return recordsOf(readChunks(path), new JsonLines({ name: path, ...options }));
}
async function readCsv(path: string, name = path): Promise<RawRecord[]> {
  return [...recordsOf(readChunks(path), new CsvRows({ name }))];
}
function readText(path: string, sampleBy: SampleBy, options: { name?: string; maxBytes?: number } = {}) {
  return recordsOf(readChunks(path), new TextDocuments(sampleBy, { name: path, ...options }));
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

  it('refuses UTF-16, with and without a mark, with the command that converts it', () => {
    const path = file('wide.txt', Buffer.from('\ufeffhello', 'utf16le'));
    expect(() => [...readLines(path)]).toThrow(/is UTF-16$/);
    const bare = file('bare.txt', Buffer.from('hello, world', 'utf16le'));
    expect(() => [...readLines(bare)]).toThrow(expect.objectContaining({ hint: expect.stringContaining('iconv -f') }));
    expect([...readLines(file('nul.txt', 'one \0 is damage\n'))]).toEqual([{ line: 1, text: 'one \0 is damage' }]);
  });

  it('holds no more than the limit of a line of 100 MB, and reads on', () => {
    const path = join(dir, 'line.txt');
    const fd = openSync(path, 'w');
    const piece = Buffer.alloc(2 ** 20, 'z');
    for (let i = 0; i < 100; i++) writeSync(fd, piece);
    writeSync(fd, '\nend\n');
    closeSync(fd);
    const before = process.memoryUsage().arrayBuffers;
    const items = [...readLines(path, { maxBytes: 4 * 2 ** 20 })];
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(40 * 2 ** 20);
    expect(items).toMatchObject([
      { line: 1, error: { message: 'the line is 105 MB long' } },
      { line: 2, text: 'end' },
    ]);
    rmSync(path);
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
    ['document', [[0, '\none\ntwo\n\n  \nthree\n']]],
  ])('cuts by %s', async (sampleBy, expected) => {
    const records = await collect(readText(file('t.txt', text), sampleBy, { name: 't' }));
    expect(records).toEqual(expected.map(([line, value]) => [line === 0 ? 't' : `t:${line}`, value]));
  });

  it('bounds a document, and goes on after it', async () => {
    const path = file('d.txt', `${'abc\n'.repeat(50)}\nnext\n`);
    expect(await collect(readText(path, 'document', { name: 'd', maxBytes: 100 }))).toEqual([
      ['d', 'error', expect.stringContaining('longer than')],
    ]);
    expect(await collect(readText(path, 'paragraph', { name: 'd', maxBytes: 100 }))).toEqual([
      ['d:1', 'error', expect.stringContaining('longer than')],
      ['d:52', 'next'],
    ]);
  });

  it('refuses a document with a bad line as a whole, naming the line', () => {
    const bytes = Buffer.concat([Buffer.from('a\nb'), Buffer.of(0xff), Buffer.from('\nc\n\nd\n')]);
    const records = [...readText(file('p.txt', bytes), 'paragraph', { name: 'p' })];
    expect(records).toEqual([
      { where: 'p:1', row: 1, error: expect.objectContaining({ where: 'p:2' }) },
      { where: 'p:5', row: 5, value: 'd' },
    ]);
  });
});

describe('HtmlDocument', () => {
  const read = (content: string | Uint8Array) => [
    ...recordsOf(readChunks(file('h.html', content)), new HtmlDocument({ name: 'h' })),
  ];

  it('is one record, its markup as it is', () => {
    expect(read('\ufeff<p>中</p>\n')).toEqual([{ where: 'h', row: 1, value: '<p>中</p>\n' }]);
    expect(read(' \n')).toEqual([]);
  });

  it('reads the encoding that a page declares', () => {
    const gbk = Buffer.concat([Buffer.from('<meta charset="gbk"><p>'), Buffer.of(0xd6, 0xd0), Buffer.from('</p>')]);
    expect(read(gbk)).toMatchObject([{ value: '<meta charset="gbk"><p>中</p>' }]);
    expect(read(Buffer.of(0x3c, 0xff, 0x3e))).toMatchObject([
      { error: { message: expect.stringContaining('not UTF-8: byte 2 is 0xff') } },
    ]);
    const wrong = Buffer.concat([Buffer.from('<meta charset=gb18030>'), Buffer.of(0xff, 0xff)]);
    expect(read(wrong)).toMatchObject([{ error: { message: 'the document is not gb18030, as it says' } }]);
  });
});

describe('readCsv', () => {
  it('reads quoted cells with delimiters, quotes and newlines; everything is text', async () => {
    const path = file('a.csv', '\ufefftext,n\n"a, ""b""\nc",007\n2024-01-02,\nlast,"x"');
    expect(await collect(await readCsv(path, 'a.csv'))).toEqual([
      ['a.csv row 1', { text: 'a, "b"\nc', n: '007' }],
      ['a.csv row 2', { text: '2024-01-02', n: '' }],
      ['a.csv row 3', { text: 'last', n: 'x' }],
    ]);
  });

  it('gives the line of every row that does not fit, and of invalid UTF-8, and goes on', async () => {
    const bytes = Buffer.concat([
      Buffer.from('text,label\nok,1\nonly\na,b,c\n\n'),
      Buffer.of(0xff),
      Buffer.from(',q\n"x\ny"z,1\nend,"é"\n'),
    ]);
    const records = await readCsv(file('bad.csv', bytes), 'bad.csv');
    expect(records.map(({ where, row }) => [where, row])).toEqual(
      [1, 2, 3, 4, 5, 6].map((row) => [`bad.csv row ${row}`, row]),
    );
    const told = records.map((record) =>
      'error' in record ? [record.error.where, record.error.message] : record.value,
    );
    expect(told).toEqual([
      { text: 'ok', label: '1' },
      ['bad.csv:3', 'the row cannot be read: it has 1 cells'],
      ['bad.csv:4', 'the row cannot be read: it has 3 cells'],
      ['bad.csv:6', 'the row is not UTF-8: byte 1 is 0xff'],
      ['bad.csv:7 (lines 7 to 8)', 'the row cannot be read: after a quoted cell comes "z,1\\nend,"'],
      { text: 'end', label: 'é' },
    ]);
  });

  it('stops at a quote that never closes, at the line where it opens', async () => {
    await expect(readCsv(file('open.csv', 'a,b\n1,2\n"3,4\n5,6\n'), 'open.csv')).rejects.toMatchObject({
      message: 'a quote that opens in open.csv does not close',
      where: 'open.csv:3',
    });
    const path = file('long.csv', `a\n"${'x'.repeat(5000)}"\n`);
    const read = () => [...recordsOf(readChunks(path), new CsvRows({ name: 'l', maxBytes: 1000 }))];
    expect(read()).toMatchObject([{ error: { message: 'the row cannot be read: it is 5.00 kB long' } }]);
    const small = (bytes: string, maxBytes: number) => {
      const chunks = Array.from({ length: Math.ceil(bytes.length / 100) }, (_, i) =>
        Buffer.from(bytes.slice(i * 100, (i + 1) * 100)),
      );
      return [...recordsOf(chunks, new CsvRows({ name: 'l', maxBytes }))];
    };
    const line = 'z'.repeat(5000);
    expect(small(`a\nb\n${line}\nc\n${line}`, 300)).toEqual([
      { where: 'l row 1', row: 1, value: { a: 'b' } },
      { where: 'l row 2', row: 2, error: expect.objectContaining({ message: 'the row is too long', where: 'l:3' }) },
      { where: 'l row 3', row: 3, value: { a: 'c' } },
      { where: 'l row 4', row: 4, error: expect.objectContaining({ where: 'l:5' }) },
    ]);
    expect(() => small(`a\nb\n"${line}`, 300)).toThrow(/does not close within 300 B/);
    expect(small('a\r\n"x"\r', 300)).toEqual([{ where: 'l row 1', row: 1, value: { a: 'x' } }]);
  });

  it('reads what it wrote, however the chunks fall', () => {
    const cell = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('', 'a,"b"', '\n', 'é\r\n"', ' "', '中'));
    const table = fc.array(fc.tuple(cell, cell), { maxLength: 6 });
    const property = (rows: [string, string][], size: number, end: string, always: boolean) => {
      const quoted = (text: string) => (always || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
      const lines = [['k', 'v'], ...rows].map((row) => row.map(quoted).join(','));
      const bytes = Buffer.from(lines.join(end) + (size % 2 === 0 ? end : ''));
      const parser = new CsvRows({ name: 'c' });
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
        bytes.subarray(i * size, (i + 1) * size),
      );
      const values = [...recordsOf(chunks, parser)].map((record) => ('value' in record ? record.value : record));
      expect(values).toEqual(rows.map(([k, v]) => ({ k, v })));
    };
    fc.assert(
      fc.property(table, fc.integer({ min: 1, max: 30 }), fc.constantFrom('\n', '\r\n'), fc.boolean(), property),
      { numRuns: 200 },
    );
  });

  it('refuses a header that names a column twice or not at all', async () => {
    await expect(readCsv(file('twice.csv', 'a,b,"a"\n1,2,3\n'))).rejects.toThrow(/does not name its columns/);
    await expect(readCsv(file('unnamed.csv', 'a,,b\n1,2,3\n'))).rejects.toThrow(/does not name its columns/);
  });

  it('finds the delimiter in the header', async () => {
    expect(['a,b;c,d', '"x,y,z";b;c', 'one', 'a\tb', 'a|b'].map(delimiterOf)).toEqual([',', ';', ',', '\t', '|']);
    expect(await collect(await readCsv(file('s.csv', 'a;b\n1,2;3\n'), 's'))).toEqual([
      ['s row 1', { a: '1,2', b: '3' }],
    ]);
  });

  it('says what an empty or missing file lacks', async () => {
    await expect(readCsv(file('none.csv', ''))).rejects.toThrow(/no header line/);
    await expect(readCsv(join(dir, 'nope.csv'))).rejects.toThrow(/no such file/);
    expect(await collect(await readCsv(file('head.csv', 'a,b\n')))).toEqual([]);
  });

  it('reads many rows in their order', async () => {
    const rows = Array.from({ length: 30_000 }, (_, i) => `${i},"v ${i}"`);
    const records = await collect(await readCsv(file('many.csv', `i,v\n${rows.join('\n')}\n`)));
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

describe('readParquet of pyarrow', () => {
  it('gives nested columns without the nulls that stand for absent keys', async () => {
    const records = await collect(readParquet(join(GOLDEN, 'table.parquet'), 't'));
    expect(records.length).toBe(5);
    expect(records[1]).toEqual([
      't row 2',
      {
        id: String(2 ** 40 + 1),
        text: 'row 1 é 中文 😀',
        score: 0.25,
        messages: [
          { role: 'user', content: 'question 1' },
          { role: 'assistant', weight: '1', tool_calls: [expect.objectContaining({ type: 'function' })] },
        ],
        gone: null,
      },
    ]);
  });

  it('refuses a column named twice, and a file that is cut anywhere', async () => {
    await expect(collect(readParquet(join(GOLDEN, 'twice.parquet'), 't'))).rejects.toThrow('two columns named text');
    const bytes = readFileSync(join(GOLDEN, 'table.parquet'));
    for (const length of [0, 3, 100, bytes.length >> 1, bytes.length - 1]) {
      const path = file('cut.parquet', bytes.subarray(0, length));
      await expect(collect(readParquet(path, 'cut'))).rejects.toMatchObject({ kind: 'data', where: 'cut' });
    }
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
