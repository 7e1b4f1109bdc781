import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { LlmkitError } from '../../../core/errors.ts';
import { describeFile, type FileRecord } from '../../../io/manifest.ts';
import { VERSIONS } from '../cache.ts';
import type { SetupContext } from './context.ts';
import { runTool, toolError } from './tools.ts';

/** Size of the CPU wheel, for the progress bar. */
const WHEEL_BYTES = 274e6;

/** The headers the addon includes; the rest of the wheel's 270 MB of headers stays packed. */
const WANTED = [
  'tensorflow/libtensorflow_',
  'tensorflow/include/tensorflow/c/',
  'tensorflow/include/tensorflow/core/platform/',
  'tensorflow/include/tsl/platform/',
  'tensorflow/include/xla/tsl/',
  'tensorflow/include/absl/',
];

/** Unpacks the members of a zip that begin with one of the prefixes. zipfile checks their CRCs. */
const UNPACK = `
import sys, zipfile
archive, target, prefixes = sys.argv[1], sys.argv[2], tuple(sys.argv[3:])
with zipfile.ZipFile(archive) as wheel:
    names = [name for name in wheel.namelist() if name.startswith(prefixes)]
    wheel.extractall(target, names)
print(len(names))
`;

/**
 * Gets the wheel that carries libtensorflow from the user's package index and unpacks its libraries to
 * `directory/tensorflow` and the headers the addon needs to `directory/tensorflow/include`.
 * With `gpu` also the CUDA libraries that the wheel's `and-cuda` extra names, to `directory/nvidia`, where the wheel's
 * run paths look for them. Throws `environment`, naming network, disk or index.
 */
export async function fetchWheel(context: SetupContext, python: string, directory: string): Promise<FileRecord[]> {
  const downloads = join(directory, 'wheel');
  mkdirSync(downloads);
  const name = context.variant === 'cpu' && process.arch === 'x64' ? 'tensorflow-cpu' : 'tensorflow';
  await download(context, python, downloads, [`${name}==${VERSIONS.tensorflow}`]);
  const wheel = readdirSync(downloads).find((file) => file.endsWith('.whl'));
  if (wheel === undefined)
    throw new LlmkitError('environment', `pip downloaded no wheel of ${name}`, { where: downloads });
  await unpack(context, python, join(downloads, wheel), directory, [...WANTED, `${wheel.split('-')[0]}-`]);
  if (context.variant === 'gpu') {
    await download(context, python, downloads, cudaRequirements(directory));
    for (const file of readdirSync(downloads)) {
      if (file !== wheel) await unpack(context, python, join(downloads, file), directory, ['nvidia/']);
    }
  }
  return readdirSync(downloads).map((file) => ({ ...describeFile(join(downloads, file)), path: file }));
}

/** The requirements of the wheel's `and-cuda` extra, e.g. `nvidia-cudnn-cu12<10.0,>=9.3.0.75`. */
export function cudaRequirements(directory: string): string[] {
  const info = readdirSync(directory).find((name) => name.endsWith('.dist-info'));
  const metadata = info === undefined ? '' : readFileSync(join(directory, info, 'METADATA'), 'utf8');
  const requirements = [...metadata.matchAll(/^Requires-Dist: (nvidia-[^;]+?)\s*;.*extra == ["']and-cuda["']/gm)];
  if (requirements.length === 0)
    throw new LlmkitError('environment', 'the TensorFlow wheel names no CUDA libraries', {
      hint: 'llmkit setup, for the CPU engine',
    });
  return requirements.map((match) => match[1]!.replaceAll(/\s|[()]/g, ''));
}

async function download(context: SetupContext, python: string, target: string, requirements: string[]): Promise<void> {
  const arch = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  const platforms = ['manylinux_2_27', 'manylinux_2_17', 'manylinux2014', 'manylinux_2_28'].flatMap((tag) => [
    '--platform',
    `${tag}_${arch}`,
  ]);
  // A wheel of a fixed Python, since only its C++ libraries are used: the user's own Python may be newer or older.
  const fixed = ['--no-deps', '--only-binary=:all:', '--python-version', '3.11', ...platforms];
  const quiet = ['--no-cache-dir', '--progress-bar', 'off', '--no-input', '--disable-pip-version-check'];
  const stop = reportSize(context, target);
  // pip unpacks beside TMPDIR; in our folder a killed setup leaves nothing behind.
  const env = { ...process.env, TMPDIR: target, PIP_REQUIRE_VIRTUALENV: '0', PYTHONWARNINGS: 'ignore' };
  const { code, output } = await runTool(
    python,
    ['-m', 'pip', 'download', ...fixed, ...quiet, '-d', target, ...requirements],
    { env, signal: context.signal },
  ).finally(stop);
  if (code !== 0) {
    throw toolError(
      context,
      `pip could not download ${requirements[0]}`,
      output,
      'check the network, or set PIP_INDEX_URL to a mirror, then: llmkit setup',
    );
  }
}

async function unpack(
  context: SetupContext,
  python: string,
  wheel: string,
  target: string,
  prefixes: string[],
): Promise<void> {
  const { code, output } = await runTool(python, ['-c', UNPACK, wheel, target, ...prefixes], {
    signal: context.signal,
  });
  if (code !== 0) throw toolError(context, `${basename(wheel)} cannot be unpacked`, output, 'llmkit setup --force');
}

/** Emits the bytes under a folder as they grow; returns the function that ends it. */
function reportSize(context: SetupContext, folder: string): () => void {
  const total = context.variant === 'cpu' ? { total: WHEEL_BYTES } : {};
  let last = 0;
  const timer = setInterval(() => {
    const current = folderBytes(folder);
    if (current === undefined || current === last) return;
    context.emit({ type: 'step', stage: 'download', current, ...total, unit: 'bytes' });
    last = current;
  }, 500);
  return () => clearInterval(timer);
}

/** Undefined when a folder went while this looked: pip moves its files and clears up behind itself. */
function folderBytes(folder: string): number | undefined {
  try {
    let bytes = 0;
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) bytes += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
    }
    return bytes;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
