import { expect, test } from 'vitest';
import { countBy, grams, jaccard, readJsonl } from './sample.ts';

interface Row {
  prompt: string;
  completion: string;
  topic: string;
  language: string;
}

const train = readJsonl<Row>('medical-qa/train.jsonl');
const held = readJsonl<Row>('medical-qa/test.jsonl');
const cell = (row: Row): string => `${row.topic}/${row.language}`;

test('every row is a question, an answer, a topic and a language', () => {
  for (const row of [...train, ...held]) {
    expect(Object.keys(row)).toEqual(['prompt', 'completion', 'topic', 'language']);
    expect(row.prompt).toMatch(row.language === 'zh' ? /？$/u : /\?$|[.]$/u);
    expect(row.completion).toMatch(row.language === 'zh' ? /。$/u : /\.$/u);
    expect(row.topic).toMatch(/^[a-z_]+$/);
    for (const text of [row.prompt, row.completion]) {
      expect(text.trim()).toBe(text);
      expect(text).not.toMatch(/\uFFFD/u);
      expect(/\p{Script=Han}/u.test(text)).toBe(row.language === 'zh');
    }
  }
});

test('every topic has four training rows and one held-out row in each language', () => {
  expect(new Set(train.map((row) => row.topic)).size).toBe(21);
  expect([...countBy(train, cell).values()]).toEqual(new Array<number>(42).fill(4));
  expect([...countBy(held, cell).values()]).toEqual(new Array<number>(42).fill(1));
});

test('no question or answer occurs twice, and no held-out row is a near copy of a training row', () => {
  for (const field of ['prompt', 'completion'] as const) {
    const all = [...train, ...held].map((row) => row[field]);
    expect(new Set(all).size).toBe(all.length);
    for (const row of held) {
      const own = grams(row[field], row.language);
      for (const other of train.filter((candidate) => candidate.language === row.language)) {
        expect(jaccard(own, grams(other[field], row.language)), row[field]).toBeLessThanOrEqual(0.5);
      }
    }
  }
});
