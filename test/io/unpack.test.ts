import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { JsonLines } from '../../src/io/json-lines.ts';
import { type RawRecord, recordsOf } from '../../src/io/records.ts';
import { packingOf, peek, unpackedChunks, withUnpacked } from '../../src/io/unpack.ts';

const GOLDEN = join(import.meta.dirname, '../golden/io/readers');
const ZST = join(GOLDEN, 'two-frames.jsonl.zst');

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-unpack-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  writeFileSync(join(dir, name), content);
  return join(dir, name);
}

async function unpack(path: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const chunk of unpackedChunks(path, packingOf(path), 'x')) pieces.push(Buffer.from(chunk));
  return Buffer.concat(pieces);
}

describe('packed files', () => {
  it('are known by their first bytes', () => {
    expect(packingOf(file('plain.gz', 'text'))).toBe('none');
    expect(packingOf(file('a.txt', gzipSync('text')))).toBe('gz');
    expect(packingOf(ZST)).toBe('zst');
    expect(packingOf(file('empty', ''))).toBe('none');
  });

  it('come out as they went in: gzip of several members, zstd of several frames', async () => {
    const text = 'é中😀\n'.repeat(100_000);
    const members = Buffer.concat([gzipSync(text), gzipSync('more\n')]);
    expect((await unpack(file('two.gz', members))).toString()).toBe(`${text}more\n`);
    const records: RawRecord[] = [];
    for await (const record of recordsOf(unpackedChunks(ZST, 'zst'), new JsonLines({ name: 'z' }))) {
      records.push(record);
    }
    expect(records.length).toBe(3000);
    expect(records[2999]).toEqual({
      where: 'z:3000',
      row: 3000,
      value: { text: `line 2999 中文 ${'x'.repeat((2999 * 37) % 400)}` },
    });
  });

  it('unpack a run of one byte without holding all of it', async () => {
    const path = join(GOLDEN, 'run.txt.zst');
    let bytes = 0;
    let largest = 0;
    for await (const chunk of unpackedChunks(path, 'zst')) {
      bytes += chunk.length;
      largest = Math.max(largest, chunk.length);
    }
    expect(bytes).toBe(30 * 10 ** 6 + 5);
    expect(largest).toBeLessThan(2 ** 20);
  });

  it('say where they are cut off or damaged, whatever is missing', async () => {
    const gz = gzipSync(readFileSync(join(GOLDEN, 'make_readers.py')));
    for (const length of [3, 12, gz.length >> 1, gz.length - 9, gz.length - 1]) {
      await expect(unpack(file('cut.gz', gz.subarray(0, length)))).rejects.toMatchObject({
        kind: 'data',
        message: 'x is cut off: it is not a whole gzip file',
        where: expect.stringMatching(/^x at byte \d+$/),
      });
    }
    const zst = readFileSync(ZST);
    for (const length of [5, 30, zst.length >> 1, zst.length - 5, zst.length - 1]) {
      await expect(unpack(file('cut.zst', zst.subarray(0, length)))).rejects.toMatchObject({
        kind: 'data',
        message: 'x is cut off: it is not a whole zstd file',
      });
    }
    const flipped = Buffer.from(gz);
    flipped[gz.length >> 1]! ^= 0xff;
    await expect(unpack(file('flipped.gz', flipped))).rejects.toMatchObject({
      kind: 'data',
      message: expect.stringMatching(/damaged|cut/),
    });
    const noise = Buffer.concat([zst.subarray(0, 40), Buffer.alloc(4000, 0xa5), zst.subarray(4040)]);
    await expect(unpack(file('noise.zst', noise))).rejects.toMatchObject({ kind: 'data' });
  });

  it('show their beginning', async () => {
    const path = file('p.gz', gzipSync('x'.repeat(1e6)));
    expect((await peek(path, 'gz', 10)).toString()).toBe('xxxxxxxxxx');
    expect((await peek(file('short', 'ab'), 'none', 10)).toString()).toBe('ab');
  });

  it('are unpacked beside for readers that seek, and the copy goes away, also after an error', async () => {
    const work = join(dir, 'work');
    const path = file('t.csv.gz', gzipSync('a\n1\n'));
    const seen: string[] = [];
    const use = async function* (plain: string) {
      expect(readdirSync(work).length).toBe(1);
      yield readFileSync(plain, 'utf8');
    };
    for await (const text of withUnpacked(path, 'gz', 't', work, use)) seen.push(text);
    expect(seen).toEqual(['a\n1\n']);
    const failing = withUnpacked(path, 'gz', 't', work, () => {
      throw new Error('no');
    });
    await expect(failing.next()).rejects.toThrow('no');
    const cut = withUnpacked(file('cut.csv.gz', gzipSync('a\n1\n').subarray(0, 15)), 'gz', 't', work, use);
    await expect(cut.next()).rejects.toThrow(/cut off/);
    expect(readdirSync(work)).toEqual([]);
  });
});
