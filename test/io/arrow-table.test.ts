import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readArrow } from '../../src/io/arrow-table.ts';
import { readChunks } from '../../src/io/bytes.ts';
import type { RawRecord } from '../../src/io/records.ts';
import { unpackedChunks } from '../../src/io/unpack.ts';

const GOLDEN = join(import.meta.dirname, '../golden/io/readers');

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-arrow-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

async function collect(records: AsyncIterable<RawRecord>): Promise<RawRecord[]> {
  const list: RawRecord[] = [];
  for await (const record of records) list.push(record);
  return list;
}
const read = (name: string) => collect(readArrow(readChunks(join(GOLDEN, name)), 'a'));
const row = (i: number) => ({
  id: 2 ** 40 + i,
  text: `row ${i} é 中文 😀`,
  score: i / 4,
  messages: [
    { role: 'user', content: `question ${i}` },
    {
      role: 'assistant',
      weight: i % 2,
      tool_calls: [{ type: 'function', function: { name: 'weather', arguments: '{"city": "北京"}' } }],
    },
  ],
  gone: null,
});

describe('readArrow', () => {
  it.each(['stream.arrow', 'file.arrow', 'zstd.feather', 'lz4.feather'])('reads %s of pyarrow', async (name) => {
    const expected = [0, 1, 2, 3, 4].map((i) => ({ where: `a row ${i + 1}`, row: i + 1, value: row(i) }));
    expect(await read(name)).toEqual(expected);
  });

  it('reads dictionary columns and large strings', async () => {
    const values = (await read('labels.arrow')).map((record) => ('value' in record ? record.value : undefined));
    expect(values).toEqual([
      { label: 'a', big: 'v' },
      { label: 'b', big: 'w' },
      { label: 'a', big: 'x' },
      { label: null, big: 'y' },
      { label: 'b', big: 'z' },
    ]);
  });

  it('reads from a packed file without a copy', async () => {
    const path = join(dir, 's.arrow.gz');
    writeFileSync(path, gzipSync(readFileSync(join(GOLDEN, 'stream.arrow'))));
    expect((await collect(readArrow(unpackedChunks(path, 'gz'), 'a'))).length).toBe(5);
  });

  it('refuses a column named twice', async () => {
    await expect(read('twice.arrow')).rejects.toThrow('two columns named text');
  });

  it.each(['stream.arrow', 'file.arrow'])(
    'does not take a cut %s for a whole one, wherever it is cut',
    async (name) => {
      const bytes = readFileSync(join(GOLDEN, name));
      for (let length = 0; length < bytes.length; length += 97) {
        const path = join(dir, 'cut.arrow');
        writeFileSync(path, bytes.subarray(0, length));
        await expect(collect(readArrow(readChunks(path), 'a'))).rejects.toMatchObject({
          kind: 'data',
          where: expect.stringMatching(/^a at byte \d+$/),
        });
      }
    },
  );
});
