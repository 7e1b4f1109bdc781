import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonDocument, JsonRows } from '../../src/io/json-document.ts';
import { jsonShapeOf } from '../../src/io/json-shape.ts';
import { type RawRecord, recordsOf } from '../../src/io/records.ts';

/** The bytes in chunks of `size`, all in the same memory, as files are read. */
function* chunksOf(text: string | Uint8Array, size = 7): Generator<Buffer> {
  const bytes = Buffer.from(text);
  const chunk = Buffer.alloc(size);
  for (let at = 0; at < bytes.length; at += size) yield chunk.subarray(0, bytes.copy(chunk, 0, at, at + size));
}
const rows = (text: string | Uint8Array, key?: string, options: { size?: number; maxBytes?: number } = {}) => {
  const { size, ...rest } = options;
  return [...recordsOf(chunksOf(text, size), new JsonRows(key, { name: 'j', ...rest }))];
};
const values = (records: readonly RawRecord[]) =>
  records.map((record) => ('value' in record ? record.value : record.error.message));
const shape = (text: string, size?: number) => jsonShapeOf(chunksOf(text, size), 'j');

describe('the shape of a .json file', () => {
  it.each([
    ['[{"a":1}]', { kind: 'array' }],
    ['\ufeff\n [', { kind: 'array' }],
    ['{"a":1}\n{"a":2}', { kind: 'lines' }],
    ['{"a":1}', { kind: 'one' }],
    ['{"version": [1,2], "data": [ {"a": [{}]} ], "n": 1}\n', { kind: 'object', key: 'data' }],
    ['{"a\\"]": "}", "中": [{"a":1}]}', { kind: 'object', key: '中' }],
    ['{"messages": [{"role":"user","content":"x"}]}', { kind: 'one' }],
    ['{"a": "never closed\n{"a":1}\n', { kind: 'lines' }],
    ['', { kind: 'lines' }],
  ])('of %j', async (text, expected) => {
    for (const size of [1, 3, 1000]) expect(await shape(text, size)).toEqual(expected);
  });

  it('does not choose between two arrays', async () => {
    await expect(shape('{"train":[{"a":1}],"test":[{"a":1}]}')).rejects.toMatchObject({
      got: 'arrays under train, test',
      hint: expect.stringContaining("jq -c '.train[]'"),
    });
  });
});

describe('JsonRows', () => {
  it('reads every array as JSON.parse does, however the chunks fall', () => {
    const row = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue());
    fc.assert(
      fc.property(
        fc.array(row, { maxLength: 5 }),
        fc.integer({ min: 1, max: 40 }),
        fc.boolean(),
        (list, size, wide) => {
          const indent = wide ? 2 : 0;
          const text = JSON.stringify(list, null, indent);
          expect(values(rows(text, undefined, { size }))).toEqual(JSON.parse(text));
          const held = JSON.stringify({ before: { data: [1] }, data: list, after: '[{}]' }, null, indent);
          expect(values(rows(held, 'data', { size }))).toEqual(JSON.parse(text));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('numbers rows, and gives line and column of what is wrong, and goes on', () => {
    const text = '[\n {"a": 1},\n {"a": oops}, {"b":2},\n {"a":\n  7 7},\n 5,\n {"c":3}\n]\n';
    const records = rows(text);
    expect(records.map(({ where }) => where)).toEqual([1, 2, 3, 4, 5, 6].map((row) => `j row ${row}`));
    expect(records.map((record) => ('error' in record ? record.error.where : record.value))).toEqual([
      { a: 1 },
      'j:3:8',
      { b: 2 },
      'j:5:5',
      'j:6:2',
      { c: 3 },
    ]);
  });

  it('names invalid UTF-8 and rows that are too long', () => {
    const bytes = Buffer.concat([Buffer.from('[{"a":"'), Buffer.of(0xff), Buffer.from('"},{"a":"x"}]')]);
    expect(values(rows(bytes))).toEqual([expect.stringContaining('row 1 is not UTF-8: byte 7'), { a: 'x' }]);
    const long = `[{"a":"${'x'.repeat(5000)}"},{"a":1}]`;
    expect(values(rows(long, undefined, { maxBytes: 100 }))).toEqual(['row 1 is 5.01 kB long', { a: 1 }]);
  });

  it('does not pass over a file that is cut off, or that goes on', () => {
    expect(() => rows('[{"a":1},\n{"a":')).toThrow(expect.objectContaining({ where: 'j:2:1' }));
    expect(() => rows('[{"a":1}')).toThrow(/inside row 1/);
    expect(() => rows('{"data":[{"a":1}]', 'data')).toThrow(/ends too early/);
    expect(() => rows('[{"a":"x}]')).toThrow(/inside row 1/);
    for (const more of ['{"a":1}', ']', '1', '"']) expect(() => rows(`[{"a":1}]\n${more}`)).toThrow(/goes on after/);
    expect(values(rows('[{"a":1},]'))).toEqual([{ a: 1 }, expect.stringContaining('is not JSON')]);
    expect(rows('[ ]')).toEqual([]);
  });
});

describe('JsonDocument', () => {
  const read = (text: string, maxBytes = 1000) => [
    ...recordsOf(chunksOf(text), new JsonDocument({ name: 'j', maxBytes })),
  ];

  it('is one row', () => {
    expect(read('\ufeff{\n "a": 1\n}\n')).toEqual([{ where: 'j', row: 1, value: { a: 1 } }]);
    expect(read('{\n "a": x\n}\n')).toMatchObject([{ where: 'j', error: { where: 'j:2:7' } }]);
    expect(read(`{"a":"${'x'.repeat(2000)}"}`)).toMatchObject([
      { error: { message: expect.stringContaining('long') } },
    ]);
  });
});
