import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { loadDecontamination } from '../../src/data/filter/index.ts';
import type { Drop } from '../../src/data/row-step.ts';
import type { Example } from '../../src/data/types.ts';

const dir = mkdtempSync(join(tmpdir(), 'llmkit-decontaminate-'));
afterAll(() => rmSync(dir, { recursive: true }));

function file(name: string, rows: readonly object[] | string): { path: string; where: string } {
  const path = join(dir, name);
  writeFileSync(path, typeof rows === 'string' ? rows : rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return { path, where: 'prepare.decontaminate.against.0' };
}

const QUESTION =
  'A farmer keeps forty brown hens in a wooden shed beside the old mill and sells their eggs on Sundays. How many eggs does she sell in a month?';
const ANSWER =
  'Each hen lays five eggs a week, which makes 40 * 5 = 200 eggs; over four weeks the farmer therefore sells 800 of them at the market.';
const ROWS = [{ question: QUESTION, answer: ANSWER }];

async function against(rows: readonly object[], n = 12) {
  const step = await loadDecontamination([file('eval.jsonl', rows)], n);
  const find = (example: Example): Drop | undefined => {
    const result = step.apply(example);
    return 'drop' in result ? result.drop : undefined;
  };
  return { step, find, inText: (text: string) => find({ type: 'text', text }) };
}

describe('a leaked answer', () => {
  it('is found in a longer text, and named with the row it is of', async () => {
    const { inText } = await against([{ question: 'What is that?', answer: 'Nothing.' }, ...ROWS]);
    const drop = inText(`Some page. ${ANSWER} And so on, as these pages do.`)!;
    expect(drop.rule).toBe('decontaminate');
    expect(drop.value).toMatch(/^"Each hen lays five eggs .*" of .*eval\.jsonl:2$/);
    expect(drop.limit).toBe('fewer than 12 words of an answer in a row');
  });

  it('is found in other casing, punctuation, accents and numbers, and with a calculation done otherwise', async () => {
    const { inText } = await against(ROWS);
    expect(inText(ANSWER.toUpperCase())).toBeDefined();
    expect(inText(ANSWER.replaceAll(/[;,.]/g, ' -- ').replaceAll(' ', '\n  '))).toBeDefined();
    expect(inText(ANSWER.replace('lays', 'láys').replace('eggs', '“eggs”'))).toBeDefined();
    expect(inText(ANSWER.replace('40 * 5 = 200', '37.5 * 12 = 3 * 150').replace('800', '1,800.50'))).toBeDefined();
  });

  it('is found in part, if the part has twelve words', async () => {
    const { inText } = await against(ROWS);
    const words = 'four weeks the farmer therefore sells 800 of them at the';
    expect(inText(words)).toBeUndefined();
    expect(inText(words.replace('four', 'over four'))).toBeDefined();
    expect(inText(words.split(' ').toReversed().join(' '))).toBeUndefined();
  });

  it('is found in every type of row', async () => {
    const { find } = await against(ROWS);
    const user = { role: 'user', content: 'Tell me.' };
    const told = { role: 'assistant', content: ANSWER };
    expect(find({ type: 'messages', messages: [user, told] })).toBeDefined();
    expect(find({ type: 'prompt-completion', prompt: 'Tell me.', completion: ANSWER })).toBeDefined();
    expect(find({ type: 'preference', prompt: 'Tell me.', chosen: 'No.', rejected: ANSWER })).toBeDefined();
    expect(find({ type: 'preference', prompt: [user], chosen: [told], rejected: [user] })).toBeDefined();
  });
});

describe('a question', () => {
  it('alone is no leak', async () => {
    const { inText, find } = await against(ROWS);
    expect(inText(QUESTION)).toBeUndefined();
    expect(find({ type: 'prompt-completion', prompt: QUESTION, completion: 'Nobody can tell.' })).toBeUndefined();
  });

  it('that the answer repeats is no leak', async () => {
    const { inText } = await against([{ question: QUESTION, answer: `${QUESTION} ${ANSWER}` }]);
    expect(inText(QUESTION)).toBeUndefined();
    expect(inText(ANSWER)).toBeDefined();
  });

  it('with the beginning of the answer is one', async () => {
    const { find } = await against(ROWS);
    const drop = find({ type: 'prompt-completion', prompt: QUESTION, completion: 'Each hen has a name.' })!;
    expect(drop.value).toContain('How many eggs does she sell in a month?\\nEach');
  });

  it('with a short answer is one only with the whole answer', async () => {
    const { find } = await against([{ question: QUESTION, answer: 'Eight hundred eggs.' }]);
    const told = (completion: string) => find({ type: 'prompt-completion', prompt: QUESTION, completion });
    expect(told('Eight or nine.')).toBeUndefined();
    expect(told('EIGHT HUNDRED EGGS')).toBeDefined();
    expect(find({ type: 'text', text: 'They bought eight hundred eggs.' })).toBeUndefined();
  });
});

describe('evaluation data', () => {
  it('of conversations: the answers of every turn, with the question before each', async () => {
    const messages = [
      { role: 'user', content: QUESTION },
      { role: 'assistant', content: ANSWER },
      { role: 'user', content: 'And how many would she sell in a year, if the hens were to lay as well in winter?' },
      { role: 'assistant', content: '2400' },
    ];
    const { inText, step } = await against([{ messages }]);
    expect(step.evaluation.answers).toBe(2);
    expect(inText(ANSWER)).toBeDefined();
    expect(inText('if the hens were to lay as well in winter? 2400!')).toBeUndefined();
    expect(inText('year, if the hens were to lay as well in winter? 2400!')).toBeDefined();
    expect(inText(QUESTION)).toBeUndefined();
  });

  it('in plain text, csv and JSON is read as training data is', async () => {
    const files = [
      file('pages.txt', `${ANSWER}\n`),
      file(
        'rows.csv',
        `problem,answer\n"${QUESTION}","Sold, all of them, to the last one, on one Sunday in late May."\n`,
      ),
      file(
        'rows.json',
        JSON.stringify([
          { prompt: 'Say it.', completion: 'It was a dark and stormy night when the rain fell in heavy torrents.' },
        ]),
      ),
    ];
    const step = await loadDecontamination(files, 12);
    const value = (text: string) => {
      const result = step.apply({ type: 'text', text });
      return 'drop' in result ? result.drop.value : undefined;
    };
    expect(value(ANSWER)).toContain('pages.txt:1');
    expect(value('all of them, to the last one, on one Sunday in late May')).toContain('rows.csv row 1');
    expect(value('a dark and stormy night when the rain fell in heavy torrents')).toContain('rows.json');
  });

  it('whose columns say nothing is refused with what would', async () => {
    await expect(against([{ foo: 'a', bar: 'b' }])).rejects.toMatchObject({
      kind: 'data',
      where: expect.stringContaining('eval.jsonl:1') as string,
      hint: 'rename its columns to prompt and completion',
    });
  });

  it('with a malformed row is refused at its line', async () => {
    const damaged = file('damaged.jsonl', `${JSON.stringify(ROWS[0])}\n{"question": \n`);
    await expect(loadDecontamination([damaged], 12)).rejects.toMatchObject({
      kind: 'data',
      where: expect.stringContaining('damaged.jsonl:2') as string,
    });
  });

  it('too short to be recognized is counted; with nothing else, refused', async () => {
    const short = { question: 'Two and two?', answer: 'four' };
    const { step } = await against([short, ...ROWS]);
    expect(step.evaluation).toMatchObject({ answers: 2, unrecognizable: 1 });
    await expect(against([short])).rejects.toMatchObject({
      kind: 'data',
      hint: expect.stringContaining('ngram') as string,
    });
  });

  it('of formulas and numbers alone finds nothing', async () => {
    const { inText } = await against([
      { question: 'Solve.', answer: `x + 3x = 12, ${'x = 4 x '.repeat(20)}` },
      ...ROWS,
    ]);
    expect(inText(`y = 2; ${'x = 9 x '.repeat(20)}`)).toBeUndefined();
  });
});

describe('Chinese', () => {
  const question = '小明家有一个果园，里面种了二十棵苹果树，每棵树每年结一百个苹果。请问小明家一年一共收获多少个苹果？';
  const answer = '每棵树结一百个苹果，二十棵树一年一共可以收获两千个苹果，所以答案是2000个。';

  it('answers are found by their characters, through punctuation, width and numbers', async () => {
    const { inText } = await against([{ question, answer }]);
    expect(inText(`题目：${question}`)).toBeUndefined();
    const drop = inText(`解：${answer}`)!;
    expect(drop.limit).toBe('fewer than 19 characters of an answer in a row');
    expect(inText(`解：${answer.replaceAll('，', ' ').replace('2000', '３５００')}`)).toBeDefined();
    expect(inText(answer.slice(0, 15))).toBeUndefined();
    expect(inText('二十棵树一年一共可以收获两千个苹果，所以答案是')).toBeDefined();
  });

  it('short answers are found behind their question', async () => {
    const { inText } = await against([{ question, answer: '两千个' }]);
    expect(inText(question)).toBeUndefined();
    expect(inText(`${question}两千个！`)).toBeDefined();
    expect(inText(`${question}三千个！`)).toBeUndefined();
  });
});

const shared = process.env['LLMKIT_SHARED'] ?? fileURLToPath(new URL('../../../shared', import.meta.url));
const gsm8k = ['train', 'test'].map((split) => join(shared, `data/gsm8k_${split}.jsonl`));
const absent = !gsm8k.every((path) => existsSync(path));
if (absent) console.warn('skipped: gsm8k is not among the shared data (set LLMKIT_SHARED)');

describe.skipIf(absent)('gsm8k', () => {
  const rowsOf = (path: string) =>
    readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { question: string; answer: string });

  it('finds its test rows in themselves, and in its training rows only stock phrases', async () => {
    const [train, test] = gsm8k as [string, string];
    const step = await loadDecontamination([{ path: test, where: 'against' }], 12);
    const leaked = (rows: { question: string; answer: string }[], from: number) =>
      rows.filter(({ question, answer }) => {
        const completion = from === 0 ? answer : 'I do not know.';
        return 'drop' in step.apply({ type: 'prompt-completion', prompt: question, completion });
      }).length;
    const testRows = rowsOf(test);
    expect(leaked(testRows, 0)).toBe(testRows.length - step.evaluation.unrecognizable);
    expect(leaked(testRows, 1)).toBeLessThan(0.01 * testRows.length);
    // 45 of 7473 when this was written: sums in the same words with other numbers.
    expect(leaked(rowsOf(train), 0)).toBeLessThan(60);
  });
});
