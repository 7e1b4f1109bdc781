import type { EvalTask } from '../config/index.ts';
import { LlmkitError } from '../core/errors.ts';
import type { CommandContext, Json } from '../core/events.ts';
import { Encoder } from '../data/encode/encoder.ts';
import { IGNORE, type Row } from '../data/types.ts';
import type { PreparedSplit } from '../data/prepared.ts';
import { checkpoint } from '../infer/yield.ts';
import type { Tokenizer } from '../tokenizer/index.ts';
import { intentDocuments, intentLabels, multipleChoiceDocuments } from './choice-tasks.ts';
import { type ChoiceDocument, choiceMetrics, type ChoiceScore, scoreChoices } from './choices.ts';
import { HarnessEncoder } from './encode.ts';
import type { Metric, Sample, TaskResult } from './metrics.ts';
import {
  type DocumentScore,
  rollingPerplexity,
  scoreRolling,
  scoreTargets,
  SEPARATOR,
  targetPerplexity,
  targetSpan,
  type TextScore,
  type TokenDocument,
  windowPerplexity,
} from './perplexity.ts';
import { readExamples, readRows } from './rows.ts';
import type { Scorer } from './scorer.ts';

/** What tasks are run with. */
export interface TaskWorld {
  scorer: Scorer;
  tokenizer: Tokenizer;
  /** A path of the config as an absolute one. */
  resolvePath: (path: string) => string;
  /** The validation rows of prepared/, opened when a task wants them. */
  validation: () => PreparedSplit;
  /** Told of every file that a task reads. */
  onFile: (path: string) => void;
  context: Pick<CommandContext, 'emit' | 'signal'>;
}

export const taskNameOf = (task: EvalTask): string => task.name ?? task.type;

/** Runs one task. Errors name the row. */
export async function runTask(task: EvalTask, index: number, world: TaskWorld): Promise<TaskResult> {
  const encoder = new HarnessEncoder(world.tokenizer);
  const where = `eval.tasks.${index}`;
  if (task.type !== 'perplexity') return choiceTask(task, encoder, where, world);
  if (task.path === undefined) return preparedTask(task, world);
  const { rows, original, files } = await readExamples(task, world.resolvePath(task.path), where);
  files.forEach(world.onFile);
  const texts = rows.flatMap(({ example }) => (example.type === 'text' ? [example.text] : []));
  if (texts.length === rows.length) return textTask(task, texts, original, encoder, world);
  const encode = new Encoder(world.tokenizer, 'answers', where);
  const documents = rows.map((row: Row) => ({ ...encode.encode(row), where: row.id }));
  return targetTask(task, documents, original, world, { path: task.path, renderings: [...encode.renderings.keys()] });
}

async function choiceTask(
  task: Exclude<EvalTask, { type: 'perplexity' }>,
  encoder: HarnessEncoder,
  where: string,
  world: TaskWorld,
): Promise<TaskResult> {
  const { rows, original, files } = await readRows(world.resolvePath(task.path), {}, undefined, where);
  files.forEach(world.onFile);
  const used = rows.slice(0, task.max_rows);
  // Intents are those of the whole file, so that max_rows does not make the choice easier.
  const documents: ChoiceDocument[] =
    task.type === 'intents'
      ? intentDocuments(task, used, intentLabels(task, rows), world.tokenizer, encoder)
      : multipleChoiceDocuments(task, used, world.tokenizer, encoder);
  // A context that is too long loses its beginning; the choice itself has to fit.
  documents.forEach(({ pairs }, i) => {
    const longest = Math.max(...pairs.map(({ continuation }) => continuation.length));
    if (longest > world.scorer.maxLength) throw tooLong('a choice', used[i]!.where, longest, world.scorer.maxLength);
  });
  const scores: ChoiceScore[] = [];
  let correct = 0;
  for (const [i, document] of documents.entries()) {
    const score = await scoreChoices(world.scorer, document, i);
    scores.push(score);
    correct += score.acc;
    await step(world, taskNameOf(task), i + 1, documents.length, 'questions', { acc: correct / (i + 1) });
  }
  return finish(
    task,
    choiceMetrics(scores),
    scores.map(({ sample }) => sample),
    { original, effective: used.length },
    { dataset_path: task.path },
  );
}

async function textTask(
  task: Extract<EvalTask, { type: 'perplexity' }>,
  texts: string[],
  original: number,
  encoder: HarnessEncoder,
  world: TaskWorld,
): Promise<TaskResult> {
  const scores: TextScore[] = [];
  for (const [i, text] of texts.entries()) {
    scores.push(await scoreRolling(world.scorer, encoder, text));
    await step(world, taskNameOf(task), i + 1, texts.length, 'documents');
  }
  const ids = encoder.encode(texts.join(SEPARATOR));
  const stage = `${taskNameOf(task)} windows`;
  world.context.emit({ type: 'stage', stage, status: 'begin' });
  const windows = await windowPerplexity(world.scorer, ids, task.window, (current, total) =>
    step(world, stage, current, total, 'windows'),
  );
  world.context.emit({ type: 'stage', stage, status: 'end' });
  const metrics = [...rollingPerplexity(scores), windows];
  const samples = scores.map((score, i) => textSample(score, i, texts[i]!));
  return finish(
    task,
    metrics,
    samples,
    { original, effective: texts.length },
    { dataset_path: task.path!, window: task.window },
  );
}

function textSample(score: TextScore, i: number, text: string): Sample {
  const { logProb, words, bytes, tokens } = score;
  return {
    ...sampleBase(i, text, score),
    arguments: [[text]],
    metrics: ['perplexity', 'word_perplexity', 'byte_perplexity', 'bits_per_byte'],
    perplexity: [logProb, tokens],
    word_perplexity: [logProb, words],
    byte_perplexity: [logProb, bytes],
    bits_per_byte: [logProb, bytes],
  };
}

type SampleBase = Pick<Sample, 'doc_id' | 'doc' | 'target' | 'resps' | 'filtered_resps' | 'filter' | 'doc_hash'>;

function sampleBase(i: number, doc: Json, { id, logProb }: DocumentScore): SampleBase {
  return { doc_id: i, doc, target: '', resps: [[logProb]], filtered_resps: [logProb], filter: 'none', doc_hash: id };
}

/** Each document of each packed row by itself. */
async function preparedTask(task: Extract<EvalTask, { type: 'perplexity' }>, world: TaskWorld): Promise<TaskResult> {
  const split = world.validation();
  const documents: LocatedDocument[] = [];
  for (let i = 0; i < split.numRows; i++) {
    const { inputIds, labels, seqLengths } = split.row(i);
    let start = 0;
    for (const length of seqLengths) {
      const targets = labels.subarray(start, start + length);
      documents.push({
        inputIds: inputIds.subarray(start, start + length),
        isTarget: Uint8Array.from(targets, (label, t) => (t > 0 && label !== IGNORE ? 1 : 0)),
        where: `row ${i} of the validation split`,
      });
      start += length;
    }
  }
  const used = documents.slice(0, task.max_rows);
  return targetTask(task, used, documents.length, world, { dataset_path: 'prepared', test_split: 'validation' });
}

type LocatedDocument = TokenDocument & { where: string };

async function targetTask(
  task: EvalTask,
  documents: readonly LocatedDocument[],
  original: number,
  world: TaskWorld,
  config: { [key: string]: Json },
): Promise<TaskResult> {
  const { maxLength } = world.scorer;
  for (const document of documents) {
    // The last target is not read.
    const read = targetSpan(document)?.last ?? 0;
    if (read > maxLength) throw tooLong('a row', document.where, read + 1, maxLength + 1);
  }
  const scores: DocumentScore[] = [];
  for (const [i, document] of documents.entries()) {
    const score = await scoreTargets(world.scorer, document);
    if (score !== undefined) scores.push(score);
    await step(world, taskNameOf(task), i + 1, documents.length, 'documents');
  }
  if (scores.length === 0) {
    throw new LlmkitError('data', 'no document has a target to score', { where: `eval task ${taskNameOf(task)}` });
  }
  const samples = scores.map((score, i): Sample => ({
    ...sampleBase(i, null, score),
    arguments: [],
    metrics: ['perplexity'],
    perplexity: [score.logProb, score.tokens],
  }));
  return finish(task, targetPerplexity(scores), samples, { original, effective: scores.length }, config);
}

function tooLong(what: string, where: string, tokens: number, most: number): LlmkitError {
  return new LlmkitError('data', `${what} is longer than the model reads at once`, {
    where,
    expected: `at most ${most} tokens`,
    got: `${tokens}`,
    hint: 'shorten it, or leave it out',
  });
}

function finish(
  task: EvalTask,
  metrics: Metric[],
  samples: Sample[],
  n: TaskResult['n'],
  config: { [key: string]: Json },
): TaskResult {
  const outputType = task.type === 'perplexity' ? 'loglikelihood_rolling' : 'multiple_choice';
  const name = taskNameOf(task);
  return {
    task: name,
    type: task.type,
    metrics,
    samples,
    n,
    config: { task: name, output_type: outputType, ...config },
    version: 1,
  };
}

let toldAt = 0;

/** Tells at most ten times a second, and lets an abort through. */
async function step(
  world: TaskWorld,
  stage: string,
  current: number,
  total: number,
  unit: string,
  values?: Record<string, number>,
): Promise<void> {
  await checkpoint(world.context.signal);
  const now = performance.now();
  if (current < total && now - toldAt < 100) return;
  toldAt = now;
  const event = { type: 'step', stage, current, total, unit } as const;
  world.context.emit(values === undefined ? event : { ...event, values });
}
