import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { LlmkitError } from '../../core/errors.ts';
import { probeAnswer, probeInput } from './probe.ts';

const require = createRequire(import.meta.url);

/** Runs a product on wasm in a process of its own, from source text. */
const CHILD = `
const [corePath, wasmPath] = process.argv.slice(1);
const tf = require(corePath);
require(wasmPath);
tf.setBackend('wasm').then((started) => {
  if (!started) throw new Error('the wasm backend does not start');
  const x = tf.tensor([${probeInput.join()}], [2, 2]);
  console.log(JSON.stringify({ version: tf.version_core, values: [...tf.matMul(x, x).dataSync()] }));
});
`;

/** Throws `environment` when WebAssembly does not start in a child process or computes something else. */
export function probeWasm(): Promise<{ message: string; ms: number }> {
  const started = performance.now();
  const args = [
    '-e',
    CHILD,
    require.resolve('@tensorflow/tfjs-core'),
    require.resolve('@tensorflow/tfjs-backend-wasm'),
  ];
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      args,
      { env: { ...process.env, NODE_OPTIONS: '' }, timeout: 60_000 },
      (error, stdout, stderr) => {
        const fail = (got: string): void =>
          reject(new LlmkitError('environment', 'the wasm engine does not run', { got, hint: 'npm ci', cause: error }));
        if (error !== null) return fail(/Error: .*/.exec(stderr)?.[0] ?? error.message);
        const result = JSON.parse(stdout) as { version: string; values: number[] };
        if (result.values.join() !== probeAnswer.join())
          return fail(`${result.values.join(', ')} instead of ${probeAnswer.join(', ')}`);
        return resolve({ message: `TensorFlow.js ${result.version} on WebAssembly`, ms: performance.now() - started });
      },
    );
  });
}
