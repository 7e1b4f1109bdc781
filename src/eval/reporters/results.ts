import { createHash } from 'node:crypto';
import type { Json } from '../../core/events.ts';
import type { TaskResult } from '../metrics.ts';

/** How and with what the evaluation was run. */
export interface EvalRun {
  model: string;
  /** What of the machinery changes numbers: engine, precision. */
  modelArgs: { [key: string]: Json };
  maxLength: number;
  /** Each as its text and its id; undefined where the tokenizer has none. */
  tokenizer: Record<'bos' | 'eos' | 'pad', [text: string, id: number] | undefined>;
  chatTemplate: string | undefined;
  llmkitVersion: string;
  git: string | undefined;
  /** Of gates, when there were any. */
  gates: Json;
}

/**
 * results.json as lm-evaluation-harness lays it out (`simple_evaluate` without samples), so that its readers and leaderboards
 * read ours. Times are left out: the same model and data give the same bytes. What lm-eval has no place for is under `llmkit`.
 */
export function lmEvalResults(run: EvalRun, results: readonly TaskResult[]): { [key: string]: Json } {
  const byTask = <T extends Json>(value: (result: TaskResult) => T): { [task: string]: T } =>
    Object.fromEntries(results.map((result) => [result.task, value(result)]));
  const { model, tokenizer, chatTemplate } = run;
  const token = (found: [string, number] | undefined): Json =>
    found === undefined ? [null, 'None'] : [found[0], `${found[1]}`];
  return {
    results: byTask((result) => ({
      name: result.task,
      alias: result.task,
      sample_len: result.n.effective,
      ...metricFields(result),
    })),
    group_subtasks: byTask(() => []),
    configs: byTask(({ config }) => config),
    versions: byTask(({ version }) => version),
    'n-shot': byTask(() => 0),
    higher_is_better: byTask(({ metrics }) =>
      Object.fromEntries(metrics.map(({ name, higherIsBetter }) => [name, higherIsBetter])),
    ),
    'n-samples': byTask(({ n }) => ({ ...n })),
    config: {
      model: 'llmkit',
      model_args: { pretrained: model, ...run.modelArgs },
      batch_size: 1,
      limit: null,
      bootstrap_iters: 0,
      gen_kwargs: null,
      random_seed: null,
      numpy_seed: null,
      torch_seed: null,
      fewshot_seed: null,
    },
    git_hash: run.git ?? null,
    model_source: 'llmkit',
    model_name: model,
    model_name_sanitized: model.replace(/[^\w.-]+/g, '_'),
    system_instruction: null,
    system_instruction_sha: null,
    fewshot_as_multiturn: false,
    chat_template: chatTemplate ?? null,
    chat_template_sha: chatTemplate === undefined ? null : createHash('sha256').update(chatTemplate).digest('hex'),
    max_length: run.maxLength,
    tokenizer_bos_token: token(tokenizer.bos),
    tokenizer_eos_token: token(tokenizer.eos),
    tokenizer_pad_token: token(tokenizer.pad),
    eot_token_id: tokenizer.eos?.[1] ?? null,
    llmkit: {
      version: run.llmkitVersion,
      labels: byTask(({ metrics }) => Object.fromEntries(metrics.map(({ name, label }) => [name, label]))),
      gates: run.gates,
    },
  };
}

function metricFields({ metrics }: TaskResult): { [key: string]: Json } {
  const fields: { [key: string]: Json } = {};
  for (const { name, value, stderr } of metrics) {
    fields[`${name},none`] = finite(value);
    fields[`${name}_stderr,none`] = stderr === undefined ? 'N/A' : finite(stderr);
  }
  return fields;
}

/** JSON has no infinity: a model that gives a target no probability at all has no perplexity to write down. */
function finite(value: number): Json {
  return Number.isFinite(value) ? value : 'N/A';
}

/** The sample log of one task, a JSON object a line, as lm-eval's `--log_samples` names its fields. */
export function sampleLines({ samples }: TaskResult): string {
  return samples.map((sample) => `${JSON.stringify(sample)}\n`).join('');
}
