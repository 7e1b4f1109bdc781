import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LlmkitError } from '../../src/core/errors.ts';
import { openSafetensors, openWeights, type TensorToWrite, writeSafetensors } from '../../src/io/safetensors.ts';

const GOLDEN = join(import.meta.dirname, '../golden/io');
const golden = JSON.parse(readFileSync(join(GOLDEN, 'mixed.json'), 'utf8')) as {
  tensors: Record<string, { shape: number[]; values: number[] }>;
};
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-safetensors-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

/** A file with this header object (or text) and data. */
function craft(name: string, header: unknown, data: Uint8Array = new Uint8Array(0), length?: number): string {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(length ?? json.length));
  const path = join(dir, name);
  writeFileSync(path, Buffer.concat([prefix, json, data]));
  return path;
}

const f32 = (begin: number, end: number) => ({ dtype: 'F32', shape: [(end - begin) / 4], data_offsets: [begin, end] });

describe('reading a file that Python wrote', () => {
  const file = openSafetensors(join(GOLDEN, 'mixed.safetensors'));
  afterAll(() => file.close());

  it('lists every tensor with its shape, and the metadata', () => {
    expect([...file.tensors.keys()].sort()).toEqual(Object.keys(golden.tensors).sort());
    for (const [name, { shape }] of Object.entries(golden.tensors)) {
      expect(file.tensors.get(name)!.shape, name).toEqual(shape);
    }
    expect(file.metadata).toEqual({ format: 'pt', note: 'é' });
  });

  it('gives floating-point tensors of every width as float32', () => {
    for (const name of ['f64', 'f32', 'f16', 'bf16', 'scalar', 'empty', 'name with "quotes" and 中文']) {
      expect(file.readF32(name), name).toEqual(Float32Array.from(golden.tensors[name]!.values));
    }
  });

  it('gives integers as their bytes', () => {
    const i64 = file.read('i64');
    expect(new BigInt64Array(i64.buffer, i64.byteOffset, 2)).toEqual(BigInt64Array.of(-(2n ** 40n), 5n));
    expect(file.read('i8')).toEqual(Uint8Array.of(128, 127));
    expect(file.read('bool')).toEqual(Uint8Array.of(1, 0));
  });

  it('refuses to read integers as float32, and names near misses', () => {
    expect(() => file.readF32('i8')).toThrow(/i8 holds I8/);
    expect(() => file.read('f31')).toThrow(/no tensor named f31/);
  });
});

function goldenTensors(): TensorToWrite[] {
  const source = openSafetensors(join(GOLDEN, 'mixed.safetensors'));
  const list = [...source.tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape, data: source.read(name) }));
  source.close();
  return list;
}

describe('writing', () => {
  it('writes what reads back as the reference wrote it', () => {
    const path = join(dir, 'again.safetensors');
    writeSafetensors(path, goldenTensors().reverse(), { note: 'é' });
    const ours = openSafetensors(path);
    const theirs = openSafetensors(join(GOLDEN, 'mixed.safetensors'));
    for (const name of theirs.tensors.keys()) expect(ours.read(name), name).toEqual(theirs.read(name));
    expect(ours.metadata).toEqual(theirs.metadata);
    ours.close();
    theirs.close();
  });

  it('asks for the bytes of one tensor at a time and leaves no file when one does not fit', () => {
    const path = join(dir, 'short.safetensors');
    const tensors: TensorToWrite[] = [
      { name: 'a', dtype: 'F32', shape: [2], data: () => new Uint8Array(8) },
      { name: 'b', dtype: 'F32', shape: [2], data: () => new Uint8Array(7) },
    ];
    expect(() => writeSafetensors(path, tensors)).toThrow(/bytes of b do not fit/);
    expect(() => openSafetensors(path)).toThrow(/no such file/);
  });

  it('refuses the same name twice', () => {
    const tensor: TensorToWrite = { name: 'a', dtype: 'U8', shape: [0], data: new Uint8Array(0) };
    expect(() => writeSafetensors(join(dir, 'twice.safetensors'), [tensor, tensor])).toThrow(/a is written twice/);
  });
});

function craftRaw(name: string, bytes: Uint8Array): string {
  writeFileSync(join(dir, name), bytes);
  return join(dir, name);
}

describe('damaged files', () => {
  const cases: [string, () => string, RegExp][] = [
    ['an empty file', () => craftRaw('empty', new Uint8Array(0)), /too short/],
    ['a header longer than the file', () => craft('long', { a: f32(0, 4) }, undefined, 5000), /ends inside its header/],
    ['an absurd header length', () => craft('absurd', {}, undefined, 2 ** 52), /does not begin like/],
    ['a header that is not JSON', () => craft('json', '{"a": '), /header that is not JSON/],
    ['an LFS pointer', () => craftRaw('lfs', Buffer.from('version https://git-lfs.github.com/spec/v1\n')), /Git LFS/],
    ['a file cut short', () => craft('cut', { a: f32(0, 8) }, new Uint8Array(5)), /a reaches past the end/],
    ['overlapping tensors', () => craft('lap', { a: f32(0, 8), b: f32(4, 12) }, new Uint8Array(12)), /b overlaps a/],
    ['a hole', () => craft('hole', { a: f32(0, 4), b: f32(8, 12) }, new Uint8Array(12)), /b leaves a hole after a/],
    ['bytes after the last tensor', () => craft('tail', { a: f32(0, 4) }, new Uint8Array(9)), /belong to no tensor/],
    [
      'an unknown dtype',
      () => craft('dtype', { a: { ...f32(0, 4), dtype: 'F4' } }, new Uint8Array(4)),
      /a has a dtype/,
    ],
    [
      'a shape that disagrees',
      () => craft('shape', { a: { ...f32(0, 4), shape: [2] } }, new Uint8Array(4)),
      /do not fit/,
    ],
    ['a negative dimension', () => craft('neg', { a: { ...f32(0, 4), shape: [-1] } }, new Uint8Array(4)), /bad shape/],
    ['a duplicate name', () => craft('dup', '{"a":{},"a":{}}'), /names the tensor a twice/],
  ];
  it.each(cases)('%s is an error that names the file', (_, make, message) => {
    const path = make();
    try {
      openSafetensors(path).close();
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ kind: 'data' });
      expect((error as Error).message).toMatch(message);
      expect((error as LlmkitError).where).toContain(path);
    }
  });
});

const firstCharacter = (name: string) => new Uint8Array(new Float32Array([name.charCodeAt(0)]).buffer);

function shards(name: string, weightMap: Record<string, string>, files: Record<string, string[]>): string {
  const folder = mkdtempSync(join(dir, `${name}-`));
  for (const [file, names] of Object.entries(files)) {
    writeSafetensors(
      join(folder, file),
      names.map((tensor) => ({ name: tensor, dtype: 'F32', shape: [1], data: firstCharacter(tensor) })),
    );
  }
  const index = { metadata: { total_size: 8 }, weight_map: weightMap };
  writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify(index));
  return folder;
}

describe('sharded weights', () => {
  it('reads each tensor from its shard', () => {
    const weights = openWeights(shards('ok', { a: '1.st', b: '2.st' }, { '1.st': ['a'], '2.st': ['b'] }));
    expect(weights.readF32('a')).toEqual(Float32Array.of(97));
    expect(weights.readF32('b')).toEqual(Float32Array.of(98));
    expect([...weights.tensors.keys()]).toEqual(['a', 'b']);
    weights.close();
  });

  it('names a missing shard, a tensor in two shards, and one that is not where the index says', () => {
    const missing = shards('missing', { a: '1.st', b: '2.st' }, { '1.st': ['a'] });
    expect(() => openWeights(missing)).toThrow(/shard 2\.st is missing/);
    const twice = shards('twice', { a: '1.st', b: '2.st' }, { '1.st': ['a'], '2.st': ['a', 'b'] });
    expect(() => openWeights(twice)).toThrow(/a is in two shards/);
    const moved = shards('moved', { a: '1.st', b: '1.st' }, { '1.st': ['a'] });
    expect(() => openWeights(moved)).toThrow(/b is not in the shard/);
  });

  it('says what a folder without weights lacks', () => {
    expect(() => openWeights(dir)).toThrow(/no weights in/);
  });
});
