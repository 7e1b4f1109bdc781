import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import koffi from 'koffi';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { alignedBuffer, withAtomicDir, writeAll, writeFileAtomic } from '../../src/io/atomic.ts';
import { describeFiles, readManifest, sha256File, writeManifest } from '../../src/io/manifest.ts';

const { rename } = vi.hoisted(() => ({ rename: vi.fn<(from: string, to: string) => void>() }));
vi.mock('node:fs', async (importActual) => {
  const actual = await importActual<typeof import('node:fs')>();
  rename.mockImplementation((from, to) => actual.renameSync(from, to));
  return { ...actual, renameSync: rename };
});

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-atomic-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const write = (folder: string, text: string) => writeFileSync(join(folder, 'a.txt'), text);

describe('writeFileAtomic', () => {
  it('makes parents, replaces, and leaves nothing beside the file', () => {
    const path = join(dir, 'x/y/file.txt');
    writeFileAtomic(path, 'one');
    writeFileAtomic(path, 'two');
    expect(readFileSync(path, 'utf8')).toBe('two');
    expect(readdirSync(join(dir, 'x/y'))).toEqual(['file.txt']);
  });

  it('says what is in the way', () => {
    writeFileSync(join(dir, 'file'), '');
    expect(() => writeFileAtomic(join(dir, 'file/inside'), 'x')).toThrow(/cannot write .*file\/inside/);
  });
});

describe('writeAll', () => {
  it.skipIf(process.platform === 'win32')('writes more bytes than Node takes at once', () => {
    const fd = openSync('/dev/null', 'w');
    try {
      // Pages that nobody touches cost no memory.
      writeAll(fd, new Uint8Array(2 ** 31 + 1));
    } finally {
      closeSync(fd);
    }
  });
});

/** The name of a temporary folder beside out/, as this machine and the process `pid` would make it. */
async function temporaryName(kind: 'tmp' | 'old', pid: number, host?: string): Promise<string> {
  const own = await withAtomicDir(join(dir, 'out'), (temporary) => basename(temporary));
  rmSync(join(dir, 'out'), { recursive: true });
  const [, ownHost] = /^\.out\.tmp-([0-9a-f]{8})-\d+-[0-9a-f]{8}$/.exec(own)!;
  return `.out.${kind}-${host ?? ownHost}-${pid}-00000000`;
}

const stopped = (): Promise<void> =>
  withAtomicDir(join(dir, 'out'), () => {
    throw new Error('stopped');
  });

describe('withAtomicDir', () => {
  it('keeps the old folder when filling fails', async () => {
    const final = join(dir, 'out');
    await withAtomicDir(final, (temporary) => write(temporary, 'old'));
    const failing = withAtomicDir(final, (temporary) => {
      write(temporary, 'half');
      throw new Error('stopped');
    });
    await expect(failing).rejects.toThrow('stopped');
    expect(readFileSync(join(final, 'a.txt'), 'utf8')).toBe('old');
    expect(readdirSync(dir)).toEqual(['out']);
  });

  it('replaces the whole folder', async () => {
    const final = join(dir, 'out');
    mkdirSync(final);
    writeFileSync(join(final, 'stale'), '');
    await withAtomicDir(final, (temporary) => write(temporary, 'new'));
    expect(readdirSync(final)).toEqual(['a.txt']);
    expect(readdirSync(dir)).toEqual(['out']);
  });

  it('clears what a killed process left, and brings the old folder back if the kill came between two renames', async () => {
    const dead = spawnSync(process.execPath, ['-e', '']).pid;
    const [tmp, old] = [await temporaryName('tmp', dead), await temporaryName('old', dead)];
    mkdirSync(join(dir, tmp));
    mkdirSync(join(dir, old));
    write(join(dir, old), 'old');
    await expect(stopped()).rejects.toThrow('stopped');
    expect(readdirSync(dir)).toEqual(['out']);
    expect(readFileSync(join(dir, 'out/a.txt'), 'utf8')).toBe('old');
  });

  it('leaves what a process at work is filling, and what another host left until it is a day old', async () => {
    const theirs = await temporaryName('tmp', 1, '00000000');
    const living = await temporaryName('tmp', process.ppid);
    mkdirSync(join(dir, theirs));
    mkdirSync(join(dir, living));
    await expect(stopped()).rejects.toThrow('stopped');
    expect(readdirSync(dir).sort()).toEqual([theirs, living].sort());
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 25 * 3600_000 });
    try {
      await expect(stopped()).rejects.toThrow('stopped');
    } finally {
      vi.useRealTimers();
    }
    expect(readdirSync(dir)).toEqual([living]);
  });

  it('brings back what a host left between two renames before it was started again', async () => {
    const old = await temporaryName('old', process.ppid, '00000000');
    mkdirSync(join(dir, old));
    write(join(dir, old), 'old');
    await expect(stopped()).rejects.toThrow('stopped');
    expect(readdirSync(dir)).toEqual([old]);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 120_000 });
    try {
      await expect(stopped()).rejects.toThrow('stopped');
    } finally {
      vi.useRealTimers();
    }
    expect(readFileSync(join(dir, 'out/a.txt'), 'utf8')).toBe('old');
  });

  it('puts the old folder back when the new one cannot take its place', async () => {
    const final = join(dir, 'out');
    await withAtomicDir(final, (temporary) => write(temporary, 'old'));
    const { renameSync } = await vi.importActual<typeof import('node:fs')>('node:fs');
    rename.mockImplementationOnce(renameSync).mockImplementationOnce(() => {
      throw Object.assign(new Error('EACCES: permission denied, rename'), { code: 'EACCES', syscall: 'rename' });
    });
    const failing = withAtomicDir(final, (temporary) => write(temporary, 'new'));
    await expect(failing).rejects.toThrow(/permission denied/);
    expect(readFileSync(join(final, 'a.txt'), 'utf8')).toBe('old');
    expect(readdirSync(dir)).toEqual(['out']);
  });

  it.skipIf(process.getuid?.() !== 0 || process.platform !== 'linux')(
    'reports a full disk and keeps the old folder',
    async (context) => {
      const mount = join(dir, 'small');
      mkdirSync(mount);
      if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', mount]).status !== 0) context.skip();
      try {
        await withAtomicDir(join(mount, 'out'), (temporary) => write(temporary, 'old'));
        const failing = withAtomicDir(join(mount, 'out'), (temporary) => write(temporary, 'x'.repeat(2 ** 20)));
        await expect(failing).rejects.toMatchObject({ kind: 'io', message: expect.stringContaining('no space left') });
        expect(readFileSync(join(mount, 'out/a.txt'), 'utf8')).toBe('old');
        expect(readdirSync(mount)).toEqual(['out']);
      } finally {
        execFileSync('umount', [mount]);
      }
    },
  );
});

describe('manifest', () => {
  it('describes every file and reads back what was written', async () => {
    mkdirSync(join(dir, 'sub'));
    write(dir, 'abc');
    write(join(dir, 'sub'), '');
    const outputs = await describeFiles(dir);
    expect(outputs.map((file) => [file.path, file.bytes])).toEqual([
      ['a.txt', 3],
      ['sub/a.txt', 0],
    ]);
    expect(outputs[0]!.sha256).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    expect(sha256File(join(dir, 'a.txt'))).toBe(outputs[0]!.sha256);
    const manifest = { command: 'prepare', config: { a: 1 }, inputs: [], outputs, seed: 1, versions: { node: '20' } };
    writeManifest(dir, manifest);
    const configHash = '015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862'; // of {"a":1}
    expect(readManifest(dir)).toEqual({ ...manifest, configHash });
    expect(await describeFiles(dir)).toEqual(outputs);
  });

  it('says when a folder is not a finished one', () => {
    expect(() => readManifest(dir)).toThrow(/has no manifest.json/);
    writeFileSync(join(dir, 'manifest.json'), '{"command": ');
    expect(() => readManifest(dir)).toThrow(/is not JSON/);
    writeFileSync(join(dir, 'manifest.json'), '{}');
    expect(() => readManifest(dir)).toThrow(/is not a manifest/);
  });
});

describe('alignedBuffer', () => {
  it('gives zeroed memory that does not overlap', () => {
    const buffers = [1, 63, 64, 65, 0, 100_000].map((bytes) => alignedBuffer(bytes));
    for (const [i, buffer] of buffers.entries()) {
      expect(buffer.every((byte) => byte === 0)).toBe(true);
      buffer.fill(i + 1);
    }
    for (const [i, buffer] of buffers.entries()) expect(buffer.every((byte) => byte === i + 1)).toBe(true);
  });

  it.skipIf(process.platform !== 'linux')('has an address that is a multiple of 64', () => {
    const held: Uint8Array[] = [];
    for (const bytes of [1, 1000, 300_000, 5e6, 16e6, 20e6, 40e6, 7, 2e6, 31e6]) {
      const buffer = alignedBuffer(bytes);
      held.push(buffer);
      expect(Number(koffi.address(buffer) % 64n), `${bytes} bytes`).toBe(0);
    }
  });
});
