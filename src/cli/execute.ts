import path from 'node:path';
import type { LoadedConfig } from '../config/index.ts';
import { LlmkitError } from '../core/errors.ts';
import type { LlmkitEvent } from '../core/events.ts';
import { setNativeEnvironment } from './environment.ts';
import { EventLog } from './event-log.ts';
import { exitCodeOf, exitCodes, signalExitCodes } from './exit-codes.ts';
import { failureOf } from './failures.ts';
import { runInline, runInWorker } from './host.ts';
import type { Job, Outcome } from './job.ts';
import { paintWith, wantsColor } from './paint.ts';
import { chooseReporter } from './reporters/choose.ts';
import type { Reporter } from './reporters/reporter.ts';
import type { CommandSpec, GlobalFlags } from './spec.ts';
import { Stopper } from './stopper.ts';
import { whenOutputIsGone } from './streams.ts';

/** Runs one command from its flags to its exit code. */
export async function execute(spec: CommandSpec, flags: Record<string, unknown>, global: GlobalFlags): Promise<number> {
  const stopper = new Stopper();
  whenOutputIsGone(() => stopper.stop('SIGPIPE'));
  const reporter = await chooseReporter(spec, global, {
    command: spec.name,
    quiet: global.quiet === true,
    verbose: global.verbose === true,
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    columns: process.stdout.isTTY ? process.stdout.columns : Infinity,
    outPaint: paintWith(wantsColor(process.stdout, global.color, process.env)),
    errPaint: paintWith(wantsColor(process.stderr, global.color, process.env)),
    now: () => performance.now(),
  });
  stopper.onStop((signal) => {
    if (signal !== 'SIGPIPE') reporter.stopping('stopping after this step; press Ctrl-C again to stop at once');
  });
  stopper.listen();
  const outcome = await attempt(spec, flags, global, reporter, stopper);
  stopper.unlisten();
  // An exit code that is set tells why the output cannot be written.
  if (stopper.requested === 'SIGPIPE') {
    await reporter.close?.();
    return Number(process.exitCode ?? signalExitCodes.SIGPIPE);
  }
  if (!outcome.ok) {
    await reporter.failed(outcome.failure);
    return exitCodeOf(outcome.failure.kind, stopper.requested);
  }
  await reporter.done(outcome.result);
  return outcome.result.ok ? exitCodes.ok : exitCodes.gate;
}

async function attempt(
  spec: CommandSpec,
  flags: Record<string, unknown>,
  global: GlobalFlags,
  reporter: Reporter,
  stopper: Stopper,
): Promise<Outcome> {
  let log: EventLog | undefined;
  const emit = (event: LlmkitEvent): void => {
    log?.write(event);
    reporter.event(event);
  };
  try {
    const config = await readConfig(spec, global);
    const warn = (message: string): void => reporter.event({ type: 'warning', message });
    if (spec.logs === true && config !== undefined) log = EventLog.open(config.artifact(), warn);
    for (const message of config?.notes ?? []) emit({ type: 'note', message });
    if (spec.inline !== true) await setNativeEnvironment(spec, { ...global, stage: flags['stage'] }, config?.config);
    const job: Job = {
      module: moduleUrl(spec.module),
      options: { ...spec.preset, ...flags, ...engineFlags(global) },
      ...(config === undefined ? {} : { config: config.data }),
      cwd: process.cwd(),
      stop: stopper.flag,
    };
    const logLine = (line: string): void => {
      if (global.verbose === true) emit({ type: 'note', message: line });
    };
    const outcome = await (spec.inline === true ? runInline : runInWorker)(job, { event: emit, log: logLine }, stopper);
    if (outcome.ok) log?.write({ type: 'result', command: spec.name, result: outcome.result });
    else log?.write({ type: 'error', command: spec.name, error: outcome.failure });
    return outcome;
  } catch (error) {
    return { ok: false, failure: failureOf(error) };
  } finally {
    log?.close();
  }
}

async function readConfig(spec: CommandSpec, global: GlobalFlags): Promise<LoadedConfig | undefined> {
  const { config, set } = global;
  if (spec.config === 'none') {
    if (config === undefined && set === undefined) return undefined;
    const flag = config === undefined ? '--set' : '-c';
    throw new LlmkitError('usage', `${spec.name} reads no config file`, { got: flag, hint: `leave out ${flag}` });
  }
  if (config === undefined) {
    if (spec.config === 'required') {
      const hint = `llmkit ${spec.name} -c configs/bank-support.yaml`;
      throw new LlmkitError('usage', `${spec.name} needs a config file`, { expected: '-c <file>', hint });
    }
    if (set === undefined) return undefined;
    throw new LlmkitError('usage', '--set changes a config file, and none was given', { expected: '-c <file>' });
  }
  const { loadConfig } = await import('../config/index.ts');
  return loadConfig(config, { set: set ?? [] });
}

function engineFlags(global: GlobalFlags): Record<string, unknown> {
  return {
    ...(global.engine === undefined ? {} : { engine: global.engine }),
    ...(global.threads === undefined ? {} : { threads: global.threads }),
  };
}

/** A command's module: beside this one in src when run from source, in dist when built. */
function moduleUrl(name: string): string {
  return name.startsWith('file:')
    ? name
    : new URL(`../commands/${name}${path.extname(import.meta.url)}`, import.meta.url).href;
}
