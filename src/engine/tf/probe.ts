import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LlmkitError } from '../../core/errors.ts';
import type { TfGraph } from '../../graph/tf-graph.ts';
import { nativeEnvironment } from './environment.ts';
import { encodeSavedModel } from './saved-model.ts';

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
const [y] = tf.runSavedModel(session, [x], 'x:0', 'y:0');
console.log(JSON.stringify({ version: tf.TF_Version, gpu: tf.isUsingGpuDevice(), values: [...tf.tensorDataSync(y.id)] }));
`;

export interface NativeProbe {
  version: string;
  gpu: boolean;
  ms: number;
}

/**
 * Loads an addon in a child process and runs a graph in it.
 * Throws `environment` when the child crashes, cannot load it, takes over two minutes or computes something else.
 */
export async function probeNative(addonPath: string): Promise<NativeProbe> {
  const directory = mkdtempSync(join(tmpdir(), 'llmkit-probe-'));
  const started = performance.now();
  try {
    writeFileSync(join(directory, 'saved_model.pb'), encodeSavedModel(probeGraph));
    const environment = { ...process.env, ...nativeEnvironment(), NODE_OPTIONS: '' };
    const output = await runChild(addonPath, directory, environment);
    const result = JSON.parse(output.trim().split('\n').at(-1) ?? '') as {
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
    return { version: result.version, gpu: result.gpu, ms: performance.now() - started };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function runChild(addonPath: string, model: string, env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      ['-e', CHILD, addonPath, model],
      { env, timeout: 120_000 },
      (error, stdout, stderr) => {
        if (error === null) {
          resolve(stdout);
          return;
        }
        const crashed = child.signalCode === null ? '' : `crashed with ${child.signalCode}`;
        const reason = /Error: .*/.exec(stderr)?.[0] ?? stderr.trim().split('\n').at(-1);
        reject(
          new LlmkitError('environment', 'the native TensorFlow engine does not run on this machine', {
            where: addonPath,
            got: [crashed, reason].filter(Boolean).join(': '),
            hint:
              child.signalCode === 'SIGILL'
                ? 'TensorFlow needs a processor with AVX; use --engine wasm'
                : 'llmkit setup --force; until then --engine wasm',
            cause: error,
          }),
        );
      },
    );
  });
}
