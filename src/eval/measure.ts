import { basename, dirname, join } from 'node:path';
import type { LoadedConfig } from '../config/index.ts';
import type { CommandContext } from '../core/events.ts';
import { openPrepared, type Prepared } from '../data/prepared.ts';
import type { ModelChoice } from '../infer/choose-model.ts';
import { openModel } from '../infer/load.ts';
import { MANIFEST } from '../io/manifest.ts';
import { provenance } from '../io/provenance.ts';
import { checkSameTokenizer } from '../model/same-tokenizer.ts';
import { loadTokenizer } from '../tokenizer/index.ts';
import type { TaskResult } from './metrics.ts';
import type { EvalRun } from './reporters/results.ts';
import { sessionScorer } from './scorer.ts';
import { runTask, taskNameOf } from './tasks.ts';

export interface MeasureOptions {
  config: LoadedConfig;
  choice: ModelChoice;
  /** What results call the model. */
  name: string;
  threads: number | undefined;
  cacheDir: string | undefined;
}

/**
 * Opens the model and runs every task of the config on it.
 *
 * @returns what was measured, how, and the files that the tasks read
 */
export async function measure(
  options: MeasureOptions,
  context: CommandContext,
): Promise<{ results: TaskResult[]; run: Omit<EvalRun, 'gates'>; files: string[] }> {
  const { config, choice, name, threads, cacheDir } = options;
  const tokenizer = loadTokenizer(choice.tokenizerDir);
  const model = await openModel(choice.dir, { adapter: choice.adapter, threads, cacheDir });
  let prepared: Prepared | undefined;
  const files = new Set<string>();
  try {
    const world = {
      scorer: sessionScorer(model.session, context.signal),
      tokenizer,
      resolvePath: (path: string) => config.resolvePath(path),
      validation: () => {
        prepared ??= openPrepared(config.artifact('prepared'));
        checkSameTokenizer(prepared.tokenizerDir, choice.tokenizerDir);
        files.add(join(prepared.dir, MANIFEST));
        return prepared.split('validation');
      },
      onFile: (path: string) => void files.add(path),
      context,
    };
    const results: TaskResult[] = [];
    for (const [i, task] of config.config.eval.tasks.entries()) {
      const begin = performance.now();
      context.emit({ type: 'stage', stage: taskNameOf(task), status: 'begin' });
      const result = await runTask(task, i, world);
      results.push(result);
      context.emit({ type: 'stage', stage: taskNameOf(task), status: 'end', ms: performance.now() - begin });
      for (const { name: metric, value } of result.metrics)
        context.emit({ type: 'metric', name: `${result.task}.${metric}`, value });
    }
    const { versions, git } = provenance(dirname(config.path));
    const engine = `ONNX Runtime ${versions['onnxruntime-node'] ?? ''} (${model.quantized ? 'int8' : 'fp32'})`;
    const { bosTokenId, eosTokenId, padTokenId, chatTemplate } = tokenizer;
    const token = (id: number | undefined): [string, number] | undefined =>
      id === undefined ? undefined : [tokenizer.idToToken(id) ?? '', id];
    const run = {
      model: name,
      modelArgs: { engine, adapter: choice.adapter === undefined ? null : basename(choice.adapter) },
      maxLength: world.scorer.maxLength,
      tokenizer: { bos: token(bosTokenId), eos: token(eosTokenId), pad: token(padTokenId) },
      chatTemplate,
      llmkitVersion: versions['llmkit'] ?? '',
      git,
    };
    return { results, run, files: [...files] };
  } finally {
    prepared?.close();
    model.dispose();
  }
}
