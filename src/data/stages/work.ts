import {
  closeSync,
  existsSync,
  fdatasyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Json } from '../../core/events.ts';
import { LlmkitError } from '../../core/errors.ts';
import { ioError, writeFileAtomic } from '../../io/atomic.ts';

/** The parts of `prepare`, in order. A stage is a number of tasks that do not need each other. */
export const STAGES = ['read', 'exact', 'near', 'decide', 'words', 'tokenizer', 'encode'] as const;
export type StageName = (typeof STAGES)[number];

/** What a task leaves when it is done: written last and in one piece, so that it stands for outputs that are whole. */
interface Marker {
  /** The key of the run: hash of the config and of every input's bytes. */
  key: string;
  outputs: { path: string; bytes: number }[];
  result: Json;
}

export const KEY_FILE = 'key';
const LOCK = 'lock';

/**
 * The folder of a prepare that is under way. Tasks hand data on through files in it and mark what is done, so a run that
 * was stopped (or killed) goes on where it was, and tasks may run in any number of threads or processes that see the
 * folder.
 */
export class Work {
  readonly dir: string;
  readonly key: string;

  constructor(dir: string, key: string) {
    this.dir = dir;
    this.key = key;
  }

  /**
   * Opens the folder for this key; what another config or other inputs left in it is removed.
   *
   * @param afresh also what this key left.
   * @throws LlmkitError('io') when another process is at work in it, or it is no such folder.
   */
  static claim(dir: string, key: string, afresh = false): Work {
    try {
      mkdirSync(dir, { recursive: true });
      const keyPath = join(dir, KEY_FILE);
      const foreign = readdirSync(dir).find((name) => name !== LOCK);
      if (foreign !== undefined && !existsSync(keyPath)) {
        throw new LlmkitError('io', 'the folder to work in holds something else, which would be lost', {
          where: dir,
          got: foreign,
          hint: 'move it away, or choose another output_dir',
        });
      }
      lock(join(dir, LOCK));
      if (afresh || !existsSync(keyPath) || readFileSync(keyPath, 'utf8') !== key) {
        rmSync(dir, { recursive: true });
        mkdirSync(dir);
        lock(join(dir, LOCK));
        writeFileAtomic(keyPath, key);
      }
      for (const name of ['done', 'unpacked', 'parts', 'edges', 'words', 'encoded'])
        mkdirSync(join(dir, name), { recursive: true });
    } catch (error) {
      throw ioError(error, `cannot work in ${dir}`, dir);
    }
    return new Work(dir, key);
  }

  path(...names: string[]): string {
    return join(this.dir, ...names);
  }

  /** Lets others in; the outputs stay, to go on from. */
  release(): void {
    rmSync(join(this.dir, LOCK), { force: true });
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** What a finished task returned; undefined while it is to be done, or when an output of it is gone. */
  result<T>(stage: StageName, index: number): T | undefined {
    const path = this.#marker(stage, index);
    if (!existsSync(path)) return undefined;
    const marker = JSON.parse(readFileSync(path, 'utf8')) as Marker;
    const whole = marker.outputs.every(
      ({ path: output, bytes }) => statSync(this.path(output), { throwIfNoEntry: false })?.size === bytes,
    );
    return marker.key === this.key && whole ? (marker.result as T) : undefined;
  }

  /** The results of a stage whose tasks are all done. */
  results<T>(stage: StageName, count: number): T[] {
    return Array.from({ length: count }, (_, index) => {
      const result = this.result<T>(stage, index);
      if (result !== undefined) return result;
      throw new LlmkitError('bug', `task ${index} of stage ${stage} is not done`, { where: this.dir });
    });
  }

  /** Marks a task as done. @param outputs its files, relative to the folder; they are synced to the disk first. */
  finish(stage: StageName, index: number, outputs: readonly string[], result: unknown): void {
    const files = outputs.map((path) => ({ path, bytes: syncFile(this.path(path)) }));
    const marker: Marker = { key: this.key, outputs: files, result: result as Json };
    writeFileAtomic(this.#marker(stage, index), JSON.stringify(marker));
  }

  #marker(stage: StageName, index: number): string {
    return this.path('done', `${stage}-${pad(index)}.json`);
  }
}

/** `00007`: names that sort as their numbers do. */
export function pad(index: number): string {
  return String(index).padStart(5, '0');
}

function syncFile(path: string): number {
  const fd = openSync(path, 'r');
  try {
    fdatasyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return statSync(path).size;
}

/** One process at a time: the lock holds a process id, and one whose process is gone counts for nothing. */
function lock(path: string): void {
  const holder = existsSync(path) ? Number(readFileSync(path, 'utf8')) : undefined;
  if (holder !== undefined && holder !== process.pid && isRunning(holder)) {
    throw new LlmkitError('io', `another prepare (process ${holder}) is at work in the same folder`, {
      where: path,
      hint: 'wait for it, or give this one another output_dir; if there is none, delete the file',
    });
  }
  writeFileSync(path, String(process.pid));
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
