import { fileURLToPath } from 'node:url';
import { displayPath, loadConfig } from '../config/index.ts';
import { LlmkitError } from '../core/errors.ts';
import type { CommandContext, CommandResult, Json } from '../core/events.ts';
import type { EngineChoice } from '../engine/tf/index.ts';
import { describeFile } from '../io/manifest.ts';
import { type Answer, report, type Scores } from './quickstart/report.ts';
import { runStage } from './quickstart/stage.ts';

export interface QuickstartOptions {
  engine?: EngineChoice;
  threads?: number;
}

const configs = (name: string): string => fileURLToPath(new URL(`../../configs/${name}`, import.meta.url));
const BASE = configs('quickstart-base.yaml');
const BANK = configs('quickstart.yaml');

const QUESTIONS = [
  'I lost my card, what should I do?',
  'When will the money I sent yesterday arrive?',
  '我搬家了，怎么改地址？',
];

/**
 * `quickstart`: the whole life of a model on the bundled samples. A tokenizer and a tiny Llama from a small corpus, a LoRA
 * adapter for a bank's customer service, merged, quantized to int8, evaluated with a gate, and asked three questions.
 */
export async function run(options: QuickstartOptions, context: CommandContext): Promise<CommandResult> {
  const message = 'prepare, pretrain, finetune, merge, quantize, evaluate and generate, on the bundled samples';
  context.emit({ type: 'start', command: 'quickstart', message });
  const begun = performance.now();
  if (options.engine !== 'wasm') {
    const { result } = await runStage(['setup', '--optional'], context);
    context.emit({ type: 'note', message: result.summary });
  }
  const setupMs = performance.now() - begun;

  const machine = [
    ...(options.engine === undefined ? [] : ['--engine', options.engine]),
    ...(options.threads === undefined ? [] : ['--threads', String(options.threads)]),
  ];
  const stage = async (command: string, config: string, ...flags: string[]): Promise<CommandResult> => {
    const args = [command, '-c', displayPath(config, context.cwd), ...flags, ...machine];
    return (await runStage(args, context)).result;
  };

  await stage('prepare', BASE);
  const pretrained = await stage('pretrain', BASE);
  await stage('prepare', BANK);
  const finetuned = await stage('finetune', BANK, '--lora');
  await stage('merge', BANK);
  await stage('quantize', BANK);

  const base = scoresOf(await stage('eval', BASE, '--model', 'pretrained'));
  const merged = scoresOf(await stage('eval', BANK, '--model', 'merged', '--update-baseline'));
  const quantized = scoresOf(await stage('eval', BANK, '--model', 'quantized'));

  const ask = async (model: string): Promise<Answer[]> => {
    const answers: Answer[] = [];
    for (const question of QUESTIONS) {
      const { data } = await stage('generate', BANK, '--model', model, '--prompt', question);
      const { text, decode_tokens_per_second: rate } = data;
      answers.push({ question, answer: String(text).trim(), tokensPerSecond: Number(rate) });
    }
    return answers;
  };
  const answers = { merged: await ask('merged'), quantized: await ask('quantized') };

  const bank = loadConfig(BANK, { set: [] });
  const folder = (name: string): string => displayPath(bank.artifact(name), context.cwd);
  return report({
    base,
    merged,
    quantized,
    loss: [lossOf('pretraining', pretrained), lossOf('finetuning', finetuned)],
    answers,
    bytes: {
      merged: describeFile(bank.artifact('merged', 'model.safetensors')).bytes,
      quantized: describeFile(bank.artifact('quantized', 'model.safetensors')).bytes,
      adapter: describeFile(bank.artifact('adapter', 'adapter_model.safetensors')).bytes,
    },
    engine: String(finetuned.data['engine']),
    artifacts: [
      { name: 'prepared data', path: folder('prepared'), opensWith: 'datasets.load_from_disk' },
      { name: 'adapter', path: folder('adapter'), opensWith: 'PEFT' },
      { name: 'merged model', path: folder('merged'), opensWith: 'transformers' },
      { name: 'int8 model', path: folder('quantized'), opensWith: 'compressed-tensors' },
      { name: 'evaluation', path: folder('eval'), opensWith: 'results.json, junit.xml' },
    ],
    config: displayPath(BANK, context.cwd),
    setupMs,
    lifeMs: performance.now() - begun - setupMs,
  });
}

function lossOf(stage: string, { data }: CommandResult): { stage: string; first: number; last: number } {
  return { stage, first: Number(data['firstLoss']), last: Number(data['lastLoss']) };
}

/** What eval measured, and what its gates said. */
function scoresOf({ ok, data }: CommandResult): Scores {
  const { intents, perplexity } = data['results'] as { [task: string]: { [metric: string]: Json } };
  const accuracy = intents?.['acc'];
  const value = perplexity?.['perplexity'];
  if (typeof accuracy !== 'number' || typeof value !== 'number') {
    throw new LlmkitError('bug', 'eval did not measure what quickstart shows', {
      got: JSON.stringify(data['results']),
    });
  }
  return { accuracy, perplexity: value, ok, verdict: String(data['verdict']) };
}
