import { execFile } from 'node:child_process';
import { hasInt8DotProduct, cpuFeatures } from '../../core/cpu.ts';
import { formatDuration } from '../../core/format.ts';
import { damagedFiles, findNative, probeEngines } from '../../engine/tf/index.ts';
import type { OrtProbe } from '../../engine/ort/index.ts';
import { type Check, guarded } from './check.ts';

/** TensorFlow's engines, each running a graph in a child process. Training needs one of them. */
export async function checkTensorFlow(): Promise<Check[]> {
  const probes = await probeEngines();
  const some = probes.some(({ ok }) => ok);
  return probes.map(({ engine, ok, message, hint, ms }) => ({
    name: `tensorflow ${engine}`,
    status: ok ? 'ok' : some ? 'warning' : 'failed',
    detail: ok ? `${message}, ran a graph in ${formatDuration(ms ?? 0)}` : message,
    ...(hint === undefined
      ? {}
      : {
          hint:
            engine === 'native' && some ? `${hint} (training runs on wasm until then, about ten times slower)` : hint,
        }),
  }));
}

/** The bytes of the native engine against what setup recorded. */
export function checkCache(): Check {
  const install = findNative();
  if (install === undefined) return { name: 'engine cache', status: 'warning', detail: 'empty', hint: 'llmkit setup' };
  const damaged = damagedFiles(install);
  if (damaged.length > 0)
    return {
      name: 'engine cache',
      status: 'failed',
      detail: `${damaged.join(', ')} changed since setup`,
      hint: 'llmkit setup --force',
    };
  return {
    name: 'engine cache',
    status: 'ok',
    detail: `${install.directory}: ${install.record.files.length} files as setup made them`,
  };
}

/** ONNX Runtime multiplying int8 matrices: quantize, eval and generate need it. */
export function checkOnnxRuntime(): Promise<Check> {
  return guarded(
    'onnx runtime',
    async () => {
      const { version, int8Exact, ms } = await runOrtProbe();
      const detail = `ONNX Runtime ${version}, multiplied int8 matrices in ${formatDuration(ms)}`;
      if (int8Exact) return { name: 'onnx runtime', status: 'ok', detail };
      const why = hasInt8DotProduct(cpuFeatures()) ? '' : ' (no VNNI)';
      return {
        name: 'onnx runtime',
        status: 'warning',
        detail: `${detail}; u8 x s8 overflows here${why}`,
        hint: 'llmkit turns on exact products by itself; int8 is slower here',
      };
    },
    'npm ci',
  );
}

/** In a child process, so that a crash of the library is a message. TypeScript sources (tests) cannot be run by a child. */
async function runOrtProbe(): Promise<OrtProbe> {
  if (import.meta.url.endsWith('.ts')) return (await import('../../engine/ort/index.ts')).probeOrt();
  const module = new URL('../../engine/ort/index.js', import.meta.url).href;
  const source = `import(${JSON.stringify(module)}).then((ort) => console.log(JSON.stringify(ort.probeOrt())))`;
  return new Promise((resolve, reject) => {
    const options = { env: { ...process.env, NODE_OPTIONS: '' }, timeout: 60_000 };
    const child = execFile(process.execPath, ['-e', source], options, (error, stdout, stderr) => {
      if (error === null) return resolve(JSON.parse(stdout) as OrtProbe);
      const reason = child.signalCode === null ? /Error: .*/.exec(stderr)?.[0] : `crashed with ${child.signalCode}`;
      return reject(new Error(reason ?? error.message));
    });
  });
}
