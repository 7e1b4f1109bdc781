import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Json } from '../../src/core/events.ts';
import { type ChoiceDocument, choiceMetrics, scoreChoices } from '../../src/eval/choices.ts';
import { HarnessEncoder, rollingWindows } from '../../src/eval/encode.ts';
import { rollingPerplexity, scoreRolling } from '../../src/eval/perplexity.ts';
import { tokenizerFromJson } from '../../src/tokenizer/index.ts';
import type { TokenizerJson } from '../../src/tokenizer/index.ts';
import { TableScorer } from './table-scorer.ts';

/** Made by lm-evaluation-harness itself: test/golden/eval/lm_eval_tasks.py. */
interface Golden {
  tokenizer: TokenizerJson;
  max_length: number;
  choices_docs: { question: string; choices: string[]; answer: number }[];
  pages: { page: string }[];
  pairs: [string, string, number[], number[]][];
  windows: [number, number, [number[], number[]][]][];
  results: Record<string, Record<string, number | string>>;
  samples: {
    choices: { resps: [number, boolean][]; acc: number; acc_norm: number; acc_bytes: number }[];
    pages: { resps: [number]; word_perplexity: [number, number]; byte_perplexity: [number, number] }[];
  };
}
const golden = JSON.parse(readFileSync(new URL('../golden/eval/lm_eval.json', import.meta.url), 'utf8')) as Golden;
const tokenizer = tokenizerFromJson(golden.tokenizer, { eos_token: '<|end|>' });
const encoder = new HarnessEncoder(tokenizer);
const scorer = new TableScorer(tokenizer.vocabSize, golden.max_length);

describe('equal to lm-evaluation-harness', () => {
  it('in where context and continuation are split', () => {
    expect(encoder.prefixTokenId).toBe(0);
    for (const [context, continuation, a, b] of golden.pairs) {
      const pair = encoder.pair(context, continuation);
      expect([[...pair.context], [...pair.continuation]], JSON.stringify(context)).toEqual([a, b]);
    }
  });

  it('in rolling windows', () => {
    for (const [length, size, wanted] of golden.windows) {
      const ids = Array.from({ length }, (_, i) => i + 1);
      const windows = [...rollingWindows(ids, 0, size)].map(({ context, continuation }) => [context, continuation]);
      expect(windows).toEqual(wanted);
    }
    expect([...rollingWindows([], 0, 4)]).toEqual([]);
  });

  it('in log-likelihoods, acc, acc_norm, acc_bytes and their standard errors', async () => {
    const scores = [];
    for (const [i, doc] of golden.choices_docs.entries()) {
      const document: ChoiceDocument = {
        doc: doc as unknown as Json,
        prompt: doc.question,
        choices: doc.choices,
        pairs: doc.choices.map((choice) => encoder.pair(doc.question, ` ${choice}`)),
        gold: doc.answer,
      };
      const score = await scoreChoices(scorer, document, i);
      scores.push(score);
      const wanted = golden.samples.choices[i]!;
      const resps = score.sample.filtered_resps as [number, boolean][];
      expect(resps.map(([, greedy]) => greedy)).toEqual(wanted.resps.map(([, greedy]) => greedy));
      resps.forEach(([sum], j) => expect(sum).toBeCloseTo(wanted.resps[j]![0], 9));
      expect([score.acc, score.accNorm, score.accBytes]).toEqual([wanted.acc, wanted.acc_norm, wanted.acc_bytes]);
    }
    for (const { name, value, stderr } of choiceMetrics(scores)) {
      expect(value).toBeCloseTo(golden.results['choices']![`${name},none`] as number, 12);
      expect(stderr).toBeCloseTo(golden.results['choices']![`${name}_stderr,none`] as number, 12);
    }
  });

  it('in word and byte perplexity and bits per byte', async () => {
    const scores = [];
    for (const [i, { page }] of golden.pages.entries()) {
      const score = await scoreRolling(scorer, encoder, page);
      scores.push(score);
      const { word_perplexity: words, byte_perplexity: bytes } = golden.samples.pages[i]!;
      expect(score.logProb).toBeCloseTo(words[0], 8);
      expect([score.words, score.bytes]).toEqual([words[1], bytes[1]]);
    }
    const metrics = rollingPerplexity(scores);
    for (const name of ['word_perplexity', 'byte_perplexity', 'bits_per_byte']) {
      const { value } = metrics.find((metric) => metric.name === name)!;
      expect(value / (golden.results['pages']![`${name},none`] as number)).toBeCloseTo(1, 10);
    }
  });
});
