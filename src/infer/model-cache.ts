import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { hashJson } from '../core/json.ts';
import { withAtomicDir } from '../io/atomic.ts';
import { writeOnnxModel } from '../io/onnx.ts';
import { buildDecoderOnnx } from './build.ts';
import { openSource } from './source.ts';

/** Raised when the same folder would give another ONNX model. */
const BUILD = 2;
const MODEL = 'model.onnx';
const ORIGIN = 'origin.json';
const READ = /^(config\.json|adapter_config\.json|.*\.safetensors|.*\.safetensors\.index\.json)$/;

/** Where a cached model came from. */
interface Origin {
  dir: string;
  adapter: string | null;
}

export interface CachedModel {
  modelPath: string;
  /** False when it was made just now. */
  reused: boolean;
  /** Time to make it; 0 when it was there. */
  buildMs: number;
}

/**
 * The ONNX model of a checkpoint folder, made once and kept in `cacheDir` under a key of what it is made from: the files'
 * names, sizes and times. A folder that changed gets a new one, and the old one goes.
 *
 * @throws LlmkitError for a folder that is no model, or a disk that is full.
 */
export async function cachedModel(cacheDir: string, dir: string, adapter?: string): Promise<CachedModel> {
  const origin: Origin = { dir: realpath(dir), adapter: adapter === undefined ? null : realpath(adapter) };
  const files = [origin.dir, ...(origin.adapter === null ? [] : [origin.adapter])].flatMap(fileStamps);
  const key = hashJson({ build: BUILD, origin, files }).slice(0, 32);
  const entry = join(cacheDir, key);
  const modelPath = join(entry, MODEL);
  if (existsSync(modelPath)) return { modelPath, reused: true, buildMs: 0 };
  const begin = performance.now();
  const source = openSource(dir, adapter);
  try {
    mkdirSync(cacheDir, { recursive: true });
    removeStale(cacheDir, origin);
    await withAtomicDir(entry, (temporary) => {
      writeOnnxModel(join(temporary, MODEL), buildDecoderOnnx(source), { externalFile: 'model.bin' });
      writeFileSync(join(temporary, ORIGIN), JSON.stringify(origin));
    });
  } finally {
    source.close();
  }
  return { modelPath, reused: false, buildMs: performance.now() - begin };
}

function realpath(path: string): string {
  return existsSync(path) ? realpathSync(path) : path;
}

function fileStamps(dir: string): { path: string; bytes: number; modifiedMs: number }[] {
  if (!existsSync(dir)) return [];
  const names = readdirSync(dir).filter((name) => READ.test(name));
  return names.toSorted().map((name) => {
    const { size, mtimeMs } = statSync(join(dir, name));
    return { path: name, bytes: size, modifiedMs: mtimeMs };
  });
}

/** Removes models made from an earlier state of the same folder, and from folders that are gone. */
function removeStale(cacheDir: string, origin: Origin): void {
  for (const name of readdirSync(cacheDir)) {
    const path = join(cacheDir, name, ORIGIN);
    if (name.startsWith('.') || !existsSync(path)) continue;
    const other = JSON.parse(readFileSync(path, 'utf8')) as Origin;
    const same = other.dir === origin.dir && other.adapter === origin.adapter;
    const gone = !existsSync(other.dir) || (other.adapter !== null && !existsSync(other.adapter));
    if (same || gone) rmSync(join(cacheDir, name), { recursive: true, force: true });
  }
}
