import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { LlmkitError } from '../../core/errors.ts';
import { ioError } from '../../io/atomic.ts';
import {
  countWords,
  packWordCounts,
  saveTokenizer,
  trainFromCounts,
  type TrainBpeOptions,
  WordCountsSum,
} from '../../tokenizer/index.ts';
import { textsOf } from '../texts.ts';
import { FATE, FATES } from './fates.ts';
import { type Part, readPart } from './parts.ts';
import { type Plan, tokenizerDir } from './plan.ts';
import type { Pulse } from './pulse.ts';
import { pad, type Work } from './work.ts';

/** Counts the words of a part's training rows: words/<part>. */
export async function wordsTask(
  work: Work,
  plan: Plan,
  parts: readonly Part[],
  index: number,
  pulse: Pulse,
): Promise<{ outputs: string[]; result: { file: string } }> {
  const part = parts[index]!;
  const base = parts.slice(0, index).reduce((sum, { rows }) => sum + rows, 0);
  const fates = readFileSync(work.path(FATES)).subarray(base, base + part.rows);
  const counts = await countWords(trainingTexts(work, part, fates, pulse), bpeOptions(plan));
  const file = `words/${pad(index)}`;
  try {
    writeFileSync(work.path(file), packWordCounts(counts));
  } catch (error) {
    throw ioError(error, 'cannot write the word counts', work.path(file));
  }
  return { outputs: [file], result: { file } };
}

async function* trainingTexts(work: Work, part: Part, fates: Uint8Array, pulse: Pulse): AsyncGenerator<string> {
  let row = 0;
  for (const example of readPart(work, part)) {
    const wait = pulse.tick(1);
    if (wait !== undefined) await wait;
    if (fates[row++] === FATE.train) yield* textsOf(example);
  }
}

/** Adds the counts of all parts up and learns the merges. @returns tokens in all. */
export function tokenizerTask(
  work: Work,
  plan: Plan,
  files: readonly string[],
): { outputs: string[]; result: { tokens: number } } {
  const sum = new WordCountsSum();
  for (const file of files) sum.add(readFileSync(work.path(file)));
  const options = bpeOptions(plan);
  const json = trainFromCounts(sum.result(), options);
  const end = options.specialTokens[0];
  if (end === undefined) {
    throw new LlmkitError('config', 'a tokenizer needs a special token that ends documents', {
      where: plan.where.tokenizer,
      expected: '["<|endoftext|>", ...]',
    });
  }
  const dir = tokenizerDir(work);
  rmSync(dir, { recursive: true, force: true });
  const settings = { bos: end, eos: end, pad: end };
  saveTokenizer(dir, json, plan.template === undefined ? settings : { ...settings, chatTemplate: plan.template });
  const tokens = Object.keys(json.model.vocab).length;
  return { outputs: ['tokenizer/tokenizer.json', 'tokenizer/tokenizer_config.json'], result: { tokens } };
}

function bpeOptions(plan: Plan): TrainBpeOptions {
  const wanted = plan.config.tokenizer;
  if (!('type' in wanted))
    throw new LlmkitError('bug', 'no tokenizer is to be trained', { where: plan.where.tokenizer });
  return {
    vocabSize: wanted.vocab_size,
    specialTokens: wanted.special_tokens,
    minFrequency: wanted.min_frequency,
    pretokenizer: wanted.pretokenizer,
    ...(wanted.max_token_length === undefined ? {} : { maxTokenLength: wanted.max_token_length }),
  };
}
