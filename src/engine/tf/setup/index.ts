import { accessSync, constants, mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheRoot } from '../../../core/cache-root.ts';
import { LlmkitError } from '../../../core/errors.ts';
import type { LlmkitEvent } from '../../../core/events.ts';
import { formatBytes } from '../../../core/format.ts';
import { withAtomicDir } from '../../../io/atomic.ts';
import { describeFiles } from '../../../io/manifest.ts';
import { findNative, nativeDirectory, type SetupRecord, VERSIONS } from '../cache.ts';
import { probeNative } from '../probe.ts';
import { buildAddon } from './addon.ts';
import { PEAK_BYTES, type SetupContext } from './context.ts';
import { withLock } from './lock.ts';
import { fetchOfficial } from './official.ts';
import { findCompiler, findPip } from './tools.ts';
import { fetchWheel } from './wheel.ts';

export interface SetupOptions {
  gpu?: boolean;
  /** Make it anew even if it is there. */
  force?: boolean;
  emit: (event: LlmkitEvent) => void;
  signal?: AbortSignal;
}

export interface SetupReport {
  directory: string;
  /** Whether it was made now or lay in the cache. */
  status: 'made' | 'present';
  record: SetupRecord;
  bytes: number;
}

/**
 * Makes the native TensorFlow engine in the cache (`cacheRoot`), once for each version. In order: the wheel's
 * libtensorflow with the addon compiled here; without compiler or pip the official 2.9.1 pair (CPU only).
 * Written beside its final place, probed by running a graph in a child process, then renamed; a second setup waits.
 * Throws `environment` for each thing that is missing, `interrupted` on abort.
 */
export async function setupNative(options: SetupOptions): Promise<SetupReport> {
  const variant = options.gpu === true ? 'gpu' : 'cpu';
  const present = options.force === true ? undefined : findNative([variant]);
  if (present !== undefined) return report('present', present.directory, present.record);
  checkPlatform();
  const context: SetupContext = { variant, emit: options.emit, signal: options.signal };
  const directory = nativeDirectory(variant);
  checkSpace(variant);
  const waiting = (): void =>
    options.emit({ type: 'note', message: 'Another llmkit setup is running; waiting for it.' });
  return withLock(directory, waiting, options.signal, async () => {
    const made = options.force === true ? undefined : findNative([variant]);
    if (made !== undefined) return report('present', made.directory, made.record);
    const record = await withAtomicDir(directory, (temporary) => make(context, temporary));
    return report('made', directory, record);
  });
}

async function make(context: SetupContext, directory: string): Promise<SetupRecord> {
  const compiler = findCompiler();
  const { python, pip } = await findPip(context.signal);
  const fromWheel = compiler !== undefined && pip !== undefined;
  const lacking = [
    compiler === undefined ? 'a C++ compiler' : '',
    pip === undefined ? (python === undefined ? 'Python with pip' : 'pip') : '',
  ]
    .filter(Boolean)
    .join(' and ');
  if (!fromWheel && context.variant === 'gpu') throw missing(lacking, undefined);
  const record = fromWheel
    ? await makeFromWheel(context, compiler, pip, directory)
    : await makeOfficial(context, lacking, directory);
  const { version } = await stage(context, 'probe', 'Running a graph in a child process', () =>
    probeNative(join(directory, record.addon), { gpu: context.variant === 'gpu' }),
  );
  const files = (await describeFiles(directory)).filter(({ path }) => /\.(node|so[.\d]*)$/.test(path));
  const complete: SetupRecord = { ...record, tensorflow: version, files };
  writeFileSync(join(directory, 'setup.json'), `${JSON.stringify(complete, null, 2)}\n`);
  return complete;
}

async function makeFromWheel(
  context: SetupContext,
  compiler: string,
  python: string,
  directory: string,
): Promise<SetupRecord> {
  const size = context.variant === 'cpu' ? 'about 274 MB' : 'about 3.5 GB';
  const message = `Downloading TensorFlow ${VERSIONS.tensorflow} from the Python package index: ${size}, a minute or more`;
  const madeFrom = await stage(context, 'download', message, () => fetchWheel(context, python, directory));
  const addon = await stage(context, 'compile', `Compiling TensorFlow's addon with ${compiler}`, () =>
    buildAddon(context, compiler, python, directory),
  );
  for (const part of ['build', 'wheel', 'tensorflow/include']) rmSync(join(directory, part), { recursive: true });
  return {
    recipe: VERSIONS.recipe,
    variant: context.variant,
    source: 'wheel',
    tensorflow: VERSIONS.tensorflow,
    addonVersion: VERSIONS.addon,
    addon,
    files: [],
    madeFrom,
    compiler,
  };
}

async function makeOfficial(context: SetupContext, lacking: string, directory: string): Promise<SetupRecord> {
  context.emit({
    type: 'warning',
    message: `Without ${lacking} setup falls back to the official TensorFlow ${VERSIONS.official}, which is older and slower`,
    // Without --force setup would find the official one and be done.
    hint: installHint(lacking, 'llmkit setup --force'),
  });
  const message = `Downloading TensorFlow ${VERSIONS.official} from its storage bucket`;
  try {
    const made = await stage(context, 'download', message, () => fetchOfficial(context, directory));
    return {
      recipe: VERSIONS.recipe,
      variant: 'cpu',
      source: 'official',
      tensorflow: VERSIONS.official,
      addonVersion: VERSIONS.addon,
      files: [],
      ...made,
    };
  } catch (cause) {
    if (cause instanceof LlmkitError && cause.kind !== 'environment') throw cause;
    throw missing(lacking, cause);
  }
}

function missing(lacking: string, cause: unknown): LlmkitError {
  const download = cause instanceof Error ? `; the official binary is out of reach: ${cause.message}` : '';
  return new LlmkitError('environment', `the native engine cannot be made without ${lacking}${download}`, {
    hint: installHint(lacking),
    cause,
  });
}

function installHint(lacking: string, then = 'llmkit setup'): string {
  const packages = [lacking.includes('compiler') ? 'g++' : '', lacking.includes('pip') ? 'python3-pip' : '']
    .filter(Boolean)
    .join(' ');
  return `apt-get install ${packages} (or your system's packages of these), then: ${then}`;
}

function checkPlatform(): void {
  const glibc = (process.report.getReport() as { header: { glibcVersionRuntime?: string } }).header.glibcVersionRuntime;
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch) || glibc === undefined) {
    const libc = process.platform === 'linux' && glibc === undefined ? ' with musl' : '';
    throw new LlmkitError('environment', 'the native engine is made on Linux with glibc only', {
      got: `${process.platform} ${process.arch}${libc}`,
      hint: 'training runs on the wasm engine here; inference is native everywhere',
    });
  }
}

function checkSpace(variant: 'cpu' | 'gpu'): void {
  const root = cacheRoot();
  const hint = 'point LLMKIT_CACHE_DIR at another folder';
  try {
    mkdirSync(root, { recursive: true });
    accessSync(root, constants.W_OK);
  } catch (cause) {
    const got = cause instanceof Error ? cause.message : String(cause);
    throw new LlmkitError('environment', 'the cache folder cannot be written', { where: root, got, hint, cause });
  }
  const { bavail, bsize } = statfsSync(root);
  if (bavail * bsize < PEAK_BYTES[variant]) {
    throw new LlmkitError('environment', 'too little disk space for the native engine', {
      where: root,
      expected: `${formatBytes(PEAK_BYTES[variant])} free`,
      got: `${formatBytes(bavail * bsize)} free`,
      hint: `free some, or ${hint}`,
    });
  }
}

async function stage<T>(context: SetupContext, name: string, message: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  context.emit({ type: 'stage', stage: name, status: 'begin', message });
  const result = await work();
  context.emit({ type: 'stage', stage: name, status: 'end', ms: performance.now() - started });
  return result;
}

function report(status: 'made' | 'present', directory: string, record: SetupRecord): SetupReport {
  return { status, directory, record, bytes: record.files.reduce((sum, file) => sum + file.bytes, 0) };
}
