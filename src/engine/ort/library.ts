import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { LlmkitError } from '../../core/errors.ts';

/**
 * The libonnxruntime that the npm package `onnxruntime-node` carries for this platform.
 *
 * @returns its absolute path.
 * @throws LlmkitError('environment') when the package, or a build for this platform, is absent.
 */
export function findOrtLibrary(platform: string = process.platform, arch: string = process.arch): string {
  let root: string;
  try {
    root = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  } catch (cause) {
    throw new LlmkitError('environment', 'the npm package onnxruntime-node is not installed', {
      hint: 'npm install (it is a regular dependency of llmkit)',
      cause,
    });
  }
  const dir = join(root, 'bin', 'napi-v6', platform, arch);
  const file = existsSync(dir) ? readdirSync(dir).toSorted().find(isOrtLibrary) : undefined;
  if (file === undefined) {
    const built = existsSync(join(root, 'bin', 'napi-v6')) ? builds(join(root, 'bin', 'napi-v6')) : 'none';
    throw new LlmkitError('environment', `onnxruntime-node has no ONNX Runtime for ${platform} ${arch}`, {
      where: dir,
      expected: `a build for one of: ${built}`,
      got: `${platform} ${arch}`,
      hint: 'run llmkit on one of these platforms; generate and eval need ONNX Runtime',
    });
  }
  return join(dir, file);
}

function isOrtLibrary(name: string): boolean {
  return /^(libonnxruntime\.so\.1|libonnxruntime(\.[\d.]+)?\.dylib|onnxruntime\.dll)$/.test(name);
}

function builds(root: string): string {
  const names = readdirSync(root).flatMap((platform) =>
    readdirSync(join(root, platform)).map((arch) => `${platform} ${arch}`),
  );
  return names.join(', ');
}
