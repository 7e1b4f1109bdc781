import { createWriteStream, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { LlmkitError } from '../../../core/errors.ts';
import { describeFile, type FileRecord } from '../../../io/manifest.ts';
import { VERSIONS } from '../cache.ts';
import type { SetupContext } from './context.ts';
import { runTool, toolError } from './tools.ts';

/** Where tfjs-node's own install script gets libtensorflow and the addon; a mirror may stand in, as it does there. */
function urls(): { library: string; addon: string } {
  const host = process.env['TFJS_NODE_CDN_STORAGE'] ?? 'https://storage.googleapis.com/';
  return {
    library: `${host}tensorflow/libtensorflow/libtensorflow-cpu-linux-x86_64-${VERSIONS.official}.tar.gz`,
    addon: `${host}tf-builds/pre-built-binary/napi-v8/${VERSIONS.addon}/CPU-linux-${VERSIONS.addon}.tar.gz`,
  };
}

/**
 * The way out without compiler or pip: the official libtensorflow 2.9.1 and the addon built for it, CPU only.
 * Laid out as the prebuilt addon's run path wants it. Returns the addon's path relative to `directory`.
 */
export async function fetchOfficial(
  context: SetupContext,
  directory: string,
): Promise<{ addon: string; madeFrom: FileRecord[] }> {
  if (process.arch !== 'x64')
    throw new LlmkitError('environment', `there is no official TensorFlow binary for ${process.arch}`);
  const { library, addon } = urls();
  const madeFrom: FileRecord[] = [];
  for (const [url, folder] of [
    [library, 'deps'],
    [addon, 'lib/napi-v8'],
  ] as const) {
    const archive = join(directory, 'download.tar.gz');
    await download(context, url, archive);
    madeFrom.push({ ...describeFile(archive), path: url });
    mkdirSync(join(directory, folder), { recursive: true });
    // The prebuilt archive holds its files in a folder of its own.
    const strip = folder === 'deps' ? [] : ['--strip-components=1'];
    const { code, output } = await runTool('tar', ['-xzf', archive, '-C', join(directory, folder), ...strip], {
      signal: context.signal,
    });
    if (code !== 0) throw toolError(context, `${url} cannot be unpacked`, output, 'llmkit setup --force');
    rmSync(archive);
  }
  return { addon: 'lib/napi-v8/tfjs_binding.node', madeFrom };
}

async function download(context: SetupContext, url: string, target: string): Promise<void> {
  const hint = 'check the network, or install g++ and pip for the newer engine';
  try {
    const response = await fetch(url, context.signal === undefined ? {} : { signal: context.signal });
    if (!response.ok || response.body === null)
      throw new LlmkitError('environment', `${url} answers ${response.status}`, { hint });
    let current = 0;
    const total = Number(response.headers.get('content-length')) || undefined;
    const meter = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        current += chunk.length;
        context.emit({
          type: 'step',
          stage: 'download',
          current,
          ...(total === undefined ? {} : { total }),
          unit: 'bytes',
        });
        done(null, chunk);
      },
    });
    await pipeline(Readable.fromWeb(response.body as ReadableStream), meter, createWriteStream(target));
  } catch (cause) {
    if (cause instanceof LlmkitError) throw cause;
    if (context.signal?.aborted === true)
      throw new LlmkitError('interrupted', 'setup was interrupted; nothing was changed', { cause });
    const reason =
      cause instanceof Error ? (cause.cause instanceof Error ? cause.cause.message : cause.message) : String(cause);
    throw toolError(context, `${url} cannot be downloaded`, reason, hint);
  }
}
