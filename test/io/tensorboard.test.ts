import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { crc32c, maskCrc } from '../../src/core/crc32c.ts';
import { EventFile, tfRecord } from '../../src/io/tensorboard.ts';

const fixture = JSON.parse(readFileSync(new URL('../golden/io/tensorboard.json', import.meta.url), 'utf8')) as {
  wall_time: number;
  bytes: string;
};
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'llmkit-events-'))));
afterEach(() => rmSync(folder, { recursive: true }));

describe('CRC-32C', () => {
  it('is that of RFC 3720', () => {
    expect(crc32c(bytes('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(new Uint8Array())).toBe(0);
  });

  it('is rotated by 15 bits and moved for a TFRecord', () => {
    expect(maskCrc(0)).toBe(0xa282ead8);
    expect(maskCrc(0x8000)).toBe(0xa282ead9);
    expect(maskCrc(0xffff_ffff)).toBe(0xa282ead7);
  });
});

describe('a TFRecord', () => {
  it('is length, checksum of the length, data, checksum of the data', () => {
    const record = tfRecord(bytes('ab'));
    const view = new DataView(record.buffer);
    expect(record).toHaveLength(18);
    expect(view.getBigUint64(0, true)).toBe(2n);
    expect(view.getUint32(8, true)).toBe(maskCrc(crc32c(record.subarray(0, 8))));
    expect([...record.subarray(12, 14)]).toEqual([97, 98]);
    expect(view.getUint32(14, true)).toBe(maskCrc(crc32c(bytes('ab'))));
  });
});

describe('an event file', () => {
  it('has the bytes that TensorFlow writes for the same events', () => {
    const file = new EventFile(join(folder, 'run'), () => fixture.wall_time * 1000);
    file.scalars(1, { 'train/loss': 2.5, 'train/learning_rate': 1e-4, 'train/zero': 0 });
    file.restart(300);
    file.scalars(300, { 'train/loss': Number.POSITIVE_INFINITY });
    file.scalars(300, {});
    file.text(301, 'samples/é', 'été\n');
    file.close();
    const [name, ...others] = readdirSync(join(folder, 'run'));
    expect(others).toEqual([]);
    expect(name).toMatch(/^events\.out\.tfevents\.1700000000\./);
    expect(readFileSync(file.path).toString('base64')).toBe(fixture.bytes);
  });

  it('is there to be read while it is written', () => {
    const file = new EventFile(folder);
    const sizes = [1, 2, 3].map((step) => {
      file.scalars(step, { x: step });
      return readFileSync(file.path).length;
    });
    file.close();
    expect(sizes[1]! - sizes[0]!).toBe(sizes[2]! - sizes[1]!);
    expect(sizes[0]).toBeGreaterThan(0);
  });
});
