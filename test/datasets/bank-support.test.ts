import { expect, test } from 'vitest';
import { countBy, grams, jaccard, readJsonl, readText, regenerate } from './sample.ts';

interface Row {
  messages: { role: string; content: string }[];
  intent: string;
  language: string;
}

const intents = (JSON.parse(readText('bank-support/intents.json')) as { intent: string; en: string; zh: string }[]).map(
  (entry) => entry.intent,
);
const train = readJsonl<Row>('bank-support/train.jsonl');
const held = readJsonl<Row>('bank-support/test.jsonl');
const question = (row: Row): string => row.messages[0]!.content;
const plain = (row: Row): string =>
  question(row)
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, '');
const cell = (row: Row): string => `${row.intent}/${row.language}`;

test('every row is a question and an answer that begins with its intent', () => {
  for (const row of [...train, ...held]) {
    expect(Object.keys(row)).toEqual(['messages', 'intent', 'language']);
    expect(row.messages.map((message) => message.role)).toEqual(['user', 'assistant']);
    expect(intents).toContain(row.intent);
    expect(['en', 'zh']).toContain(row.language);
    expect(question(row).trim()).toBe(question(row));
    expect(question(row).length).toBeGreaterThan(2);
    const label = `[${row.intent}] `;
    expect(row.messages[1]!.content.startsWith(label)).toBe(true);
    expect(row.messages[1]!.content.length).toBeGreaterThan(label.length + 10);
    expect(row.messages.map((message) => message.content).join(' ')).not.toMatch(/[{}|$]|\uFFFD/u);
    expect(/\p{Script=Han}/u.test(question(row))).toBe(row.language === 'zh');
  }
});

test('every intent has as many rows as any other, in both languages', () => {
  expect(intents).toHaveLength(12);
  expect([...countBy(train, cell).values()]).toEqual(new Array<number>(24).fill(25));
  expect([...countBy(held, cell).values()]).toEqual(new Array<number>(24).fill(5));
});

test('no question is asked twice, and no held-out question is a near copy of a training one', () => {
  const all = [...train, ...held].map(plain);
  expect(new Set(all).size).toBe(all.length);
  for (const language of ['en', 'zh']) {
    const known = train.filter((row) => row.language === language).map((row) => grams(question(row), language));
    for (const row of held.filter((candidate) => candidate.language === language)) {
      const own = grams(question(row), language);
      const nearest = Math.max(...known.map((other) => jaccard(own, other)));
      expect(nearest, question(row)).toBeLessThanOrEqual(0.45);
    }
  }
});

test('the generator writes the committed bytes again', () => {
  expect(regenerate('make_bank_support.mjs', 'bank-support', ['train.jsonl', 'test.jsonl'])).toEqual([]);
});
