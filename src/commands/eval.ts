import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { displayPath, type EvalConfig, type LoadedConfig } from '../config/index.ts';
import { LlmkitError } from '../core/errors.ts';
import type { CommandContext, CommandResult, Json } from '../core/events.ts';
import { baselineFile, readBaseline } from '../eval/baseline.ts';
import { checkGates, type GateCheck, verdict } from '../eval/gate.ts';
import { measure } from '../eval/measure.ts';
import type { TaskResult } from '../eval/metrics.ts';
import { publish } from '../eval/publish.ts';
import type { EvalRun } from '../eval/reporters/results.ts';
import { resultTables } from '../eval/reporters/tables.ts';
import { taskNameOf } from '../eval/tasks.ts';
import { writeEvaluation } from '../eval/write.ts';
import { chooseModel, type ModelChoice, nameOfChoice } from '../infer/choose-model.ts';
import { describeFile, describeFiles, type FileRecord, MANIFEST, writeManifest } from '../io/manifest.ts';
import { provenance } from '../io/provenance.ts';
import { checkReplaceable } from '../io/replaceable.ts';
import { weightFiles } from '../io/weights.ts';

export interface EvalOptions {
  config: LoadedConfig;
  /** A stage of the config, or a folder. */
  model?: string;
  adapter?: string;
  /** Folder, absolute, in place of eval/<stage or folder name>. */
  out?: string;
  /** File or folder, in place of eval.baseline. */
  baseline?: string;
  /** Writes what was measured to the baseline instead of comparing with it. */
  updateBaseline?: boolean;
  /** File to write JUnit XML to, besides the one in the eval folder. */
  junit?: string;
  /** Appends the summary to the file $GITHUB_STEP_SUMMARY names, and annotates failures. */
  githubSummary?: boolean;
  threads?: number;
  cacheDir?: string;
}

/** `eval`: perplexity and tasks, held against gates. Fails (exit 1) when a gate does. */
export async function run(options: EvalOptions, context: CommandContext): Promise<CommandResult> {
  const { config } = options;
  const settings = config.config.eval;
  checkNames(settings, config);
  const choice = chooseModel(config, { model: options.model, adapter: options.adapter, cwd: context.cwd });
  const name = nameOfChoice(choice, config);
  const out = options.out ?? config.artifact('eval', name);
  const shown = (path: string): string => displayPath(path, context.cwd);
  context.emit({
    type: 'start',
    command: 'eval',
    message: `evaluating ${shown(choice.dir)}${choice.adapter === undefined ? '' : ` with ${shown(choice.adapter)}`}`,
  });
  const baselinePath = baselineOf(options, context.cwd);
  const baseline =
    baselinePath === undefined || options.updateBaseline === true ? undefined : readBaseline(baselinePath);
  // A baseline in there would be replaced by what failed against it.
  const read = baseline === undefined ? [] : [baselineFile(baselinePath!)];
  checkReplaceable(out, [choice.dir, choice.tokenizerDir, choice.adapter ?? [], read].flat(), 'eval');

  const { threads, cacheDir } = options;
  const { results, run: ran, files } = await measure({ config, choice, name, threads, cacheDir }, context);
  const gates = options.updateBaseline === true ? withoutRegressions(settings.gates) : settings.gates;
  const checks = checkGates(gates, results, baseline);
  const evalRun: EvalRun = { ...ran, gates: checks as unknown as Json };
  await writeEvaluation(out, evalRun, results, checks, async (folder) => {
    writeManifest(folder, {
      command: 'eval',
      config: settings as unknown as Json,
      inputs: inputsOf(choice, [...files, ...read]),
      outputs: await describeFiles(folder),
      seed: config.config.seed,
      engine: String(evalRun.modelArgs['engine']),
      ...provenance(dirname(config.path)),
    });
  });
  context.emit({ type: 'artifact', kind: 'results', path: out });
  const to = {
    baseline: options.updateBaseline === true ? baselinePath : undefined,
    junit: options.junit === undefined ? undefined : resolve(context.cwd, options.junit),
    githubSummary: options.githubSummary === true,
  };
  publish(to, name, results, checks, context);
  return report(results, checks, out, context.cwd);
}

function checkNames({ tasks }: EvalConfig, config: LoadedConfig): void {
  const names = tasks.map(taskNameOf);
  const twice = names.findIndex((name, i) => names.indexOf(name) < i);
  if (twice < 0) return;
  throw new LlmkitError('config', `two tasks are called ${names[twice]}`, {
    where: config.where(`eval.tasks.${twice}`),
    hint: 'give one a name',
  });
}

function baselineOf({ baseline, updateBaseline, config }: EvalOptions, cwd: string): string | undefined {
  const path = config.config.eval.baseline;
  if (baseline !== undefined) return resolve(cwd, baseline);
  if (path !== undefined) return config.resolvePath(path);
  if (updateBaseline === true) throw config.missing('eval.baseline', 'name the file there, or with --baseline');
  return undefined;
}

/** A baseline that is just being taken cannot have got worse. */
function withoutRegressions(gates: EvalConfig['gates']): EvalConfig['gates'] {
  return Object.fromEntries(
    Object.entries(gates).map(([key, { max_regression: _dropped, ...bounds }]) => [key, bounds]),
  );
}

/** What the figures depend on: the model, by its manifest or all of its files, the tokenizer, the adapter, what tasks read. */
function inputsOf({ dir, adapter, tokenizerDir }: ModelChoice, read: readonly string[]): FileRecord[] {
  const inFolder = (folder: string, ...names: string[]): string[] => names.map((name) => join(folder, name));
  const made = existsSync(join(dir, MANIFEST));
  const files = [
    ...inFolder(dir, ...(made ? [MANIFEST] : weightFiles(dir)), 'config.json'),
    ...inFolder(tokenizerDir, 'tokenizer.json'),
    ...(adapter === undefined ? [] : inFolder(adapter, 'adapter_config.json', 'adapter_model.safetensors')),
    ...read,
  ];
  return [...new Set(files)].map(describeFile);
}

function report(results: TaskResult[], checks: GateCheck[], out: string, cwd: string): CommandResult {
  const values = results.map(({ task, metrics }): [string, Json] => [
    task,
    Object.fromEntries(metrics.map(({ name, value }) => [name, value])),
  ]);
  return {
    ok: checks.every(({ pass }) => pass),
    summary: checks.length > 0 ? verdict(checks) : `results in ${displayPath(out, cwd)}`,
    tables: resultTables(results, checks),
    data: { out, results: Object.fromEntries(values), gates: checks as unknown as Json, verdict: verdict(checks) },
  };
}
