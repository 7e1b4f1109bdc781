import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { LlmkitError } from '../../core/errors.ts';
import type { TfGraph } from '../../graph/tf-graph.ts';
import { nativeEnvironment } from './environment.ts';
import { writeGraphFolder } from './graph-folder.ts';
import { feedName } from './saved-model.ts';

/** A graph small enough to run anywhere: y = x x for x [2, 2]. */
export const probeGraph: TfGraph = {
  nodes: [
    { name: 'x', op: 'Placeholder', inputs: [], attrs: { dtype: { type: 'f32' }, shape: { shape: [2, 2] } } },
    {
      name: 'y',
      op: 'BatchMatMulV2',
      inputs: ['x', 'x'],
      attrs: { T: { type: 'f32' }, adj_x: { b: false }, adj_y: { b: false } },
    },
  ],
  inputs: [{ name: 'x', dtype: 'f32', shape: [2, 2] }],
  outputs: [{ name: 'y', ref: 'y', dtype: 'f32', shape: [2, 2] }],
};

/** [[1, 2], [3, 4]] times itself. */
export const probeInput = [1, 2, 3, 4];
export const probeAnswer = [7, 10, 15, 22];

/** Runs in a process of its own, from source text: it needs nothing of ours, and a crash ends only it. */
const CHILD = `
const [addon, model] = process.argv.slice(1);
const tf = require(addon);
const session = tf.loadSavedModel(model, 'serve');
const x = tf.createTensor([2, 2], 1, Float32Array.of(${probeInput.join()}));
const [y] = tf.runSavedModel(session, [x], '${feedName(0)}:0', 'y:0');
console.log(JSON.stringify({ version: tf.TF_Version, gpu: tf.isUsingGpuDevice(), values: [...tf.tensorDataSync(y.id)] }));
`;

export interface NativeProbe {
  version: string;
  gpu: boolean;
  ms: number;
}

const TIMEOUT_MS = 120_000;

/**
 * Loads an addon in a child process and runs a graph in it.
 * Throws `environment` when the child crashes, cannot load it, takes over two minutes, computes something else, or runs on the
 * CPU though `gpu` is wanted, with what TensorFlow says of that; `io` when there is no room for the graph.
 */
export async function probeNative(
  addonPath: string,
  { gpu = false, timeoutMs = TIMEOUT_MS }: { gpu?: boolean; timeoutMs?: number } = {},
): Promise<NativeProbe> {
  const started = performance.now();
  const directory = writeGraphFolder(probeGraph);
  try {
    // At level 0 TensorFlow says which CUDA library it misses.
    const level = gpu ? { TF_CPP_MIN_LOG_LEVEL: '0' } : {};
    const environment = { ...process.env, ...nativeEnvironment(), ...level, NODE_OPTIONS: '' };
    const { stdout, stderr } = await runChild(addonPath, directory, environment, timeoutMs);
    const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as {
      version: string;
      gpu: boolean;
      values: number[];
    };
    if (result.values.join() !== probeAnswer.join()) {
      throw new LlmkitError('environment', 'the native TensorFlow engine computes wrongly', {
        where: addonPath,
        expected: probeAnswer.join(', '),
        got: result.values.join(', '),
        hint: 'llmkit setup --force; until then --engine wasm',
      });
    }
    if (gpu && !result.gpu) {
      throw new LlmkitError('environment', 'TensorFlow was made for a GPU and runs on the CPU', {
        where: addonPath,
        got: lastLines(stderr),
        hint: 'check that nvidia-smi shows the GPU and that the driver is new enough, or take the CPU engine: llmkit setup',
      });
    }
    return { version: result.version, gpu: result.gpu, ms: performance.now() - started };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function runChild(
  addonPath: string,
  model: string,
  env: NodeJS.ProcessEnv,
  timeout: number,
): Promise<{ stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      ['-e', CHILD, addonPath, model],
      { env, timeout, maxBuffer: 2 ** 26 },
      (error, stdout, stderr) => {
        if (error === null) {
          resolve({ stdout, stderr });
          return;
        }
        const where = addonPath;
        const hint = 'llmkit setup --force; until then --engine wasm';
        if (error.killed === true) {
          const got = `nothing after ${timeout / 1000} s`;
          const message = 'the native TensorFlow engine does not answer';
          reject(
            new LlmkitError('environment', message, { where, expected: 'a small product', got, hint, cause: error }),
          );
          return;
        }
        const crashed = child.signalCode === null ? '' : `crashed with ${child.signalCode}`;
        const reason = /Error: .*/.exec(stderr)?.[0] ?? stderr.trim().split('\n').at(-1);
        reject(
          new LlmkitError('environment', 'the native TensorFlow engine does not run on this machine', {
            where,
            got: [crashed, reason].filter(Boolean).join(': '),
            hint: child.signalCode === 'SIGILL' ? 'TensorFlow needs a processor with AVX; use --engine wasm' : hint,
            cause: error,
          }),
        );
      },
    );
  });
}

/** The end of what TensorFlow said; all of it is hundreds of lines. */
function lastLines(text: string): string {
  return text.trim().split('\n').slice(-12).join('\n') || 'nothing on standard error';
}
