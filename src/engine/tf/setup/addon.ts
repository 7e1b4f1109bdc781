import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { LlmkitError } from '../../../core/errors.ts';
import { VERSIONS } from '../cache.ts';
import type { SetupContext } from './context.ts';
import { findProgram, runTool, toolError } from './tools.ts';

const require = createRequire(import.meta.url);
const PACKAGE = '@tensorflow/tfjs-node-gpu';

/**
 * Compiled into the addon beside its own sources: it stands in for absl's function of this name, so that libtensorflow
 * says errors only. Nothing else silences what it writes to standard error while it loads, in the middle of a display.
 */
const QUIET_LOG = `
#include <cstdlib>
#include "absl/log/globals.h"
namespace absl {
ABSL_NAMESPACE_BEGIN
LogSeverityAtLeast MinLogLevel() {
  const char *level = std::getenv("TF_CPP_MIN_LOG_LEVEL");
  return level != nullptr && level[0] == '0' ? LogSeverityAtLeast::kInfo : LogSeverityAtLeast::kError;
}
ABSL_NAMESPACE_END
}
`;

/**
 * Compiles tfjs-node-gpu's addon against the libtensorflow in `directory/tensorflow`, to `directory/tfjs_binding.node`.
 * Its sources come from node_modules, else from the package's tarball. Throws `environment` with the compiler's words.
 */
export async function buildAddon(
  context: SetupContext,
  compiler: string,
  python: string,
  directory: string,
): Promise<string> {
  const build = join(directory, 'build');
  mkdirSync(build);
  cpSync(await addonSources(context, python, build), join(build, 'binding'), { recursive: true });
  const sources = readdirSync(join(build, 'binding'))
    .filter((name) => name.endsWith('.cc'))
    .map((name) => `binding/${name}`);
  writeFileSync(join(build, 'quiet_log.cc'), QUIET_LOG);
  const headers = dirname(require.resolve('node-api-headers/include/node_api.h'));
  const flags = [
    '-O2',
    '-fPIC',
    '-shared',
    '-std=c++17',
    '-w',
    '-DNAPI_VERSION=8',
    '-DNODE_GYP_MODULE_NAME=tfjs_binding',
  ];
  const includes = [`-I${headers}`, '-I.', '-I../tensorflow/include'];
  const libraries = [
    '-L../tensorflow',
    '-l:libtensorflow_cc.so.2',
    '-l:libtensorflow_framework.so.2',
    '-Wl,-rpath,$ORIGIN/tensorflow',
  ];
  const addon = 'tfjs_binding.node';
  const args = [...flags, ...includes, ...sources, 'quiet_log.cc', ...libraries, '-o', `../${addon}`];
  const { code, output } = await runTool(compiler, args, { cwd: build, signal: context.signal });
  if (code !== 0)
    throw toolError(
      context,
      `${compiler} could not compile TensorFlow's addon`,
      output,
      'set CXX to a compiler of C++17 (g++ 9 or newer), then: llmkit setup',
    );
  return addon;
}

/** Folder of the addon's C++ files. */
async function addonSources(context: SetupContext, python: string, build: string): Promise<string> {
  const installed = installedSources();
  if (installed !== undefined) return installed;
  const npm = findProgram(['npm']);
  if (npm === undefined) {
    throw new LlmkitError('environment', `${PACKAGE} is not installed and there is no npm to get it with`, {
      hint: 'install npm, then: llmkit setup',
    });
  }
  const packed = await runTool(npm, ['pack', '--silent', `${PACKAGE}@${VERSIONS.addon}`], {
    cwd: build,
    signal: context.signal,
  });
  const tarball = readdirSync(build).find((name) => name.endsWith('.tgz'));
  if (packed.code !== 0 || tarball === undefined) {
    throw toolError(
      context,
      `npm could not get ${PACKAGE}@${VERSIONS.addon}`,
      packed.output,
      'check the network and `npm config get registry`, then: llmkit setup',
    );
  }
  const unpacked = await runTool(python, ['-m', 'tarfile', '-e', tarball, '.'], { cwd: build, signal: context.signal });
  if (unpacked.code !== 0)
    throw toolError(context, `${tarball} cannot be unpacked`, unpacked.output, 'llmkit setup --force');
  return join(build, 'package', 'binding');
}

/** npm may have installed the optional package, or dropped it when its own install script failed. */
function installedSources(): string | undefined {
  const searched = require.resolve.paths(PACKAGE) ?? [];
  const folders = searched.map((folder) => join(folder, PACKAGE, 'binding'));
  return folders.find((folder) => existsSync(join(folder, 'tfjs_binding.cc')));
}
