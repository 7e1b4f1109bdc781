import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { evalSchema, type EvalTask } from '../../src/config/schema/eval.ts';
import type { LlmkitEvent } from '../../src/core/events.ts';
import type { PreparedRow } from '../../src/data/prepared.ts';
import { HarnessEncoder } from '../../src/eval/encode.ts';
import { runTask, type TaskWorld } from '../../src/eval/tasks.ts';
import { loadTokenizer, tokenizerFromJson, type TokenizerJson } from '../../src/tokenizer/index.ts';
import { TableScorer } from './table-scorer.ts';

const golden = JSON.parse(readFileSync(new URL('../golden/eval/lm_eval.json', import.meta.url), 'utf8')) as {
  tokenizer: TokenizerJson;
  choices_docs: { question: string; choices: string[]; answer: number }[];
  pages: { page: string }[];
  results: Record<string, Record<string, number>>;
};
const tokenizer = tokenizerFromJson(golden.tokenizer, { eos_token: '<|end|>' });
const CHAT =
  '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}';

let dir: string;
let events: LlmkitEvent[];
let files: string[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-eval-'));
  events = [];
  files = [];
});
afterEach(() => rmSync(dir, { recursive: true }));

function file(name: string, rows: unknown[]): string {
  const path = join(dir, name);
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return path;
}

function task(value: unknown): EvalTask {
  return evalSchema.parse({ tasks: [value] }).tasks[0]!;
}

function world(overrides: Partial<TaskWorld> = {}, maxLength = 16): TaskWorld {
  return {
    scorer: new TableScorer(tokenizer.vocabSize, maxLength),
    tokenizer,
    resolvePath: (path) => path,
    validation: () => ({ numRows: 0, maxLength: 8, row: () => ({}) as PreparedRow }),
    onFile: (path) => files.push(path),
    context: { emit: (event) => events.push(event), signal: new AbortController().signal },
    ...overrides,
  };
}

describe('a multiple_choice task', () => {
  it('gives the accuracies of lm-eval on the same file', async () => {
    const path = file('choices.jsonl', golden.choices_docs);
    const result = await runTask(task({ type: 'multiple_choice', path, prompt_column: 'question' }), 0, world());
    for (const { name, value } of result.metrics)
      expect(value).toBeCloseTo(golden.results['choices']![`${name},none`]!, 12);
    expect(result.n).toEqual({ original: 7, effective: 7 });
    expect(result.samples).toHaveLength(7);
    expect(result.samples[1]).toMatchObject({ doc_id: 1, target: 'ten', doc: golden.choices_docs[1] });
    expect(events.at(-1)).toMatchObject({ type: 'step', stage: 'multiple_choice', current: 7, total: 7 });
    expect(files).toEqual([path]);
  });

  it('takes the answer as a text too, and the first rows only when told', async () => {
    const path = file(
      'c.jsonl',
      golden.choices_docs.map((doc) => ({ ...doc, answer: doc.choices[doc.answer] })).slice(0, 6),
    );
    const result = await runTask(
      task({ type: 'multiple_choice', path, prompt_column: 'question', max_rows: 3 }),
      0,
      world(),
    );
    expect(result.n).toEqual({ original: 6, effective: 3 });
    expect(result.samples.map(({ target }) => target)).toEqual(['blue', 'ten', 'two']);
  });

  it.each([
    ['no such column', { prompt: 'a', choices: ['b', 'c'] }, /no column answer/],
    ['an answer that is no choice', { prompt: 'a', choices: ['b', 'c'], answer: 'd' }, /answer is not/],
    ['an index beyond the choices', { prompt: 'a', choices: ['b', 'c'], answer: 2 }, /answer is not/],
    ['a single choice', { prompt: 'a', choices: ['b'], answer: 0 }, /choices is not/],
    ['an empty choice', { prompt: 'a', choices: ['b', ''], answer: 0 }, /choices is not/],
    [
      'a choice longer than the context',
      { prompt: 'a', choices: ['b', 'c '.repeat(40)], answer: 0 },
      /choice is longer/,
    ],
    ['a prompt that is not a text', { prompt: 3, choices: ['b', 'c'], answer: 0 }, /prompt is not/],
  ])('names the row with %s', async (_name, row, message) => {
    const good = { prompt: 'a', choices: ['b', 'c'], answer: 0 };
    const path = file('bad.jsonl', [good, row]);
    const failure = await runTask(task({ type: 'multiple_choice', path }), 0, world()).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      kind: 'data',
      message: expect.stringMatching(message),
      where: expect.stringMatching(/bad\.jsonl:2/),
    });
  });

  it('names the line that is no JSON, and a file without rows', async () => {
    writeFileSync(join(dir, 'cut.jsonl'), '{"prompt": "a", "choices": ["b", "c"], "answer": 0}\n{"prompt": "a", "cho');
    const run = (path: string): Promise<unknown> => runTask(task({ type: 'multiple_choice', path }), 0, world());
    await expect(run(join(dir, 'cut.jsonl'))).rejects.toMatchObject({
      kind: 'data',
      where: expect.stringMatching(/cut\.jsonl:2/),
    });
    await expect(run(file('empty.jsonl', []))).rejects.toThrow(/is empty/);
  });
});

describe('an intents task', () => {
  const rows = [
    { prompt: 'The sky', intent: 'blue' },
    { prompt: 'Water', intent: 'wet' },
    { prompt: 'Same', intent: 'blue' },
  ];

  it('chooses among the intents of the whole file, in alphabetical order', async () => {
    const path = file('intents.jsonl', rows);
    const result = await runTask(task({ type: 'intents', path, target: '[{intent}]', max_rows: 1 }), 0, world());
    expect(result.n).toEqual({ original: 3, effective: 1 });
    expect(result.samples[0]).toMatchObject({
      target: '[blue]',
      arguments: [
        ['The sky', '[blue]'],
        ['The sky', '[wet]'],
      ],
    });
  });

  it('asks conversations through the chat template, up to the last answer', async () => {
    writeFileSync(join(dir, 'tokenizer.json'), JSON.stringify(golden.tokenizer));
    writeFileSync(join(dir, 'tokenizer_config.json'), JSON.stringify({ eos_token: '<|end|>', chat_template: CHAT }));
    const chat = loadTokenizer(dir);
    const messages = [
      { role: 'user', content: 'The sky?' },
      { role: 'assistant', content: '[blue] It is.' },
    ];
    const path = file('chat.jsonl', [
      { messages, intent: 'blue' },
      { messages, intent: 'wet' },
    ]);
    const scorer = new TableScorer(tokenizer.vocabSize, 64);
    const asked: number[][] = [];
    const spy = {
      maxLength: 64,
      logProbs: scorer.logProbs.bind(scorer),
      continuations: (context: ArrayLike<number>, list: readonly ArrayLike<number>[]) => {
        asked.push(Array.from(context), ...list.map((ids) => Array.from(ids)));
        return scorer.continuations(context, list);
      },
    };
    const result = await runTask(task({ type: 'intents', path }), 0, world({ tokenizer: chat, scorer: spy }));
    expect(asked.slice(0, 3).map((ids) => tokenizer.decode(ids))).toEqual([
      'user: The sky?\nassistant: ',
      'blue',
      'wet',
    ]);
    expect(result.metrics[0]).toMatchObject({ name: 'acc', value: 0.5 });
    await expect(runTask(task({ type: 'intents', path }), 0, world())).rejects.toThrow(/no chat template/);
  });

  it('names the row whose intent is empty', async () => {
    const path = file('unlabelled.jsonl', [...rows, { prompt: 'What', intent: '' }]);
    await expect(runTask(task({ type: 'intents', path }), 0, world())).rejects.toMatchObject({
      kind: 'data',
      where: expect.stringMatching(/unlabelled\.jsonl:4/),
    });
  });

  it('names the row after whose prompt a choice has no tokens: nothing would always win', async () => {
    // As a tokenizer that joins the end of the prompt with the whole choice.
    const joins = new Proxy(tokenizer, {
      get(target, key) {
        if (key === 'encode') return (text: string) => target.encode(text.replace(' blue', ''));
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    const path = file('joined.jsonl', rows);
    await expect(runTask(task({ type: 'intents', path }), 0, world({ tokenizer: joins }))).rejects.toMatchObject({
      kind: 'data',
      where: expect.stringMatching(/joined\.jsonl:1/),
      got: '"blue"',
    });
  });

  it('needs two intents', async () => {
    await expect(runTask(task({ type: 'intents', path: file('one.jsonl', [rows[0]]) }), 0, world())).rejects.toThrow(
      /nothing to choose/,
    );
  });
});

describe('a perplexity task', () => {
  it("of texts gives lm-eval's figures and those of the GPTQ protocol, labelled", async () => {
    const path = file(
      'pages.jsonl',
      golden.pages.map(({ page }) => ({ text: page })),
    );
    const result = await runTask(task({ type: 'perplexity', path, window: 8 }), 0, world());
    expect(result.metrics.map(({ name }) => name)).toEqual([
      'perplexity',
      'word_perplexity',
      'byte_perplexity',
      'bits_per_byte',
      'gptq_perplexity',
    ]);
    for (const name of ['word_perplexity', 'byte_perplexity', 'bits_per_byte']) {
      const { value, label } = result.metrics.find((metric) => metric.name === name)!;
      expect(value / golden.results['pages']![`${name},none`]!).toBeCloseTo(1, 10);
      expect(label).toMatch(/^lm-eval rolling windows/);
    }
    expect(result.metrics.at(-1)!.label).toMatch(/^GPTQ protocol.* of 8$/);
    expect(result.samples.map(({ doc }) => doc)).toEqual(golden.pages.map(({ page }) => page));
    const windows = events.filter((event) => event.type === 'step' && event.unit === 'windows');
    expect(windows.at(-1)).toMatchObject({
      stage: 'perplexity windows',
      total: windows.length > 0 ? expect.any(Number) : 0,
    });
    expect(events.at(-1)).toEqual({ type: 'stage', stage: 'perplexity windows', status: 'end' });
  });

  it('of texts stops in the middle of the windows when interrupted', async () => {
    const path = file('pages.jsonl', [{ text: golden.pages.map(({ page }) => page).join(' ') }]);
    const abort = new AbortController();
    const emit = (event: LlmkitEvent): void => {
      if (event.type === 'stage') abort.abort();
      events.push(event);
    };
    const context = { emit, signal: abort.signal };
    await expect(runTask(task({ type: 'perplexity', path, window: 2 }), 0, world({ context }))).rejects.toMatchObject({
      kind: 'interrupted',
    });
    expect(events.at(-1)).toMatchObject({ type: 'stage', status: 'begin' });
  });

  it('names the row that is longer than the context, before anything is scored', async () => {
    const long = Array.from({ length: 30 }, () => 'blue').join(' ');
    const path = file('long.jsonl', [
      { prompt: 'The sky is', completion: ' blue' },
      { prompt: 'The sky is', completion: long },
    ]);
    await expect(runTask(task({ type: 'perplexity', path }), 0, world())).rejects.toMatchObject({
      kind: 'data',
      where: expect.stringMatching(/long\.jsonl:2/),
      expected: 'at most 17 tokens',
    });
    expect(events).toEqual([]);
  });

  it('of prompts and completions counts the completion and its end', async () => {
    const path = file('qa.jsonl', [{ question: 'The sky is', answer: ' blue' }]);
    const columns = { prompt: 'question', completion: 'answer' };
    const result = await runTask(task({ type: 'perplexity', name: 'qa', path, columns }), 0, world());
    const encoder = new HarnessEncoder(tokenizer);
    const prompt = encoder.encode('The sky is');
    const answer = [...tokenizer.encode(' blue', { addSpecialTokens: false }), 0];
    const logProbs = await new TableScorer(tokenizer.vocabSize, 16).logProbs([...prompt, ...answer], prompt.length);
    const sum = logProbs.reduce((a, b) => a + b, 0);
    expect(result.task).toBe('qa');
    expect(result.metrics).toHaveLength(1);
    expect(result.metrics[0]!.value).toBeCloseTo(Math.exp(-sum / answer.length), 10);
  });

  it('of prepared rows scores each packed document by itself', async () => {
    const row: PreparedRow = {
      inputIds: Int32Array.of(5, 6, 7, 8, 9),
      labels: Int32Array.of(5, 6, -100, 8, 9),
      positionIds: Int32Array.of(0, 1, 0, 1, 2),
      seqLengths: Int32Array.of(2, 3),
    };
    const validation = (): ReturnType<TaskWorld['validation']> => ({ numRows: 1, maxLength: 8, row: () => row });
    const result = await runTask(task('perplexity'), 0, world({ validation }));
    const scorer = new TableScorer(tokenizer.vocabSize, 16);
    const first = await scorer.logProbs([5, 6], 1);
    const second = await scorer.logProbs([7, 8, 9], 1);
    expect(result.metrics[0]!.value).toBeCloseTo(Math.exp(-(first[0]! + second[0]! + second[1]!) / 3), 12);
    expect(result.n).toEqual({ original: 2, effective: 2 });
  });

  it('stops when interrupted', async () => {
    const path = file(
      'pages.jsonl',
      golden.pages.map(({ page }) => ({ text: page })),
    );
    const context = { emit: () => undefined, signal: AbortSignal.abort() };
    await expect(runTask(task({ type: 'perplexity', path }), 0, world({ context }))).rejects.toMatchObject({
      kind: 'interrupted',
    });
  });
});
