import { expect, test } from 'vitest';
import { grams, jaccard, readJsonl, readText, regenerate } from './sample.ts';

const documents = (language: string): string[] => {
  const lines = readText(`corpus/${language}.txt`).split('\n');
  expect(lines.pop()).toBe('');
  return lines;
};

/** The held-out questions of bank-support in one language. */
const heldOut = (language: string): string[] =>
  readJsonl<{ language: string; messages: { content: string }[] }>('bank-support/test.jsonl')
    .filter((row) => row.language === language)
    .map((row) => row.messages[0]!.content);

test.each(['en', 'zh'])('the %s corpus has one finished document a line and none twice', (language) => {
  const lines = documents(language);
  expect(lines.length).toBeGreaterThan(900);
  expect(new Set(lines).size).toBe(lines.length);
  for (const line of lines) {
    expect(line.trim()).toBe(line);
    expect(line).toMatch(/[.!?。！？]$/u);
    // A document may begin with its topic's tag, such as [card_lost].
    expect(line.replace(/^\[[a-z_]+\] /, '')).not.toMatch(/[{}|$@_]|undefined|\uFFFD/u);
    expect(line.length).toBeLessThan(1000);
    if (language === 'en') expect(line).not.toMatch(/\p{Script=Han}/u);
  }
});

test.each(['en', 'zh'])('no customer in the %s corpus asks a held-out question of bank-support', (language) => {
  const held = heldOut(language).map((text) => grams(text, language));
  const speaker = language === 'zh' ? /客户：(.*?)(?= 客服：|$)/gu : /Customer: (.*?)(?= Agent: |$)/gu;
  const said = new Set(documents(language).flatMap((line) => [...line.matchAll(speaker)].map((match) => match[1]!)));
  expect(said.size).toBeGreaterThan(200);
  for (const text of said) {
    const own = grams(text, language);
    const nearest = Math.max(...held.map((other) => jaccard(own, other)));
    expect(nearest, text).toBeLessThanOrEqual(0.4);
  }
});

test('the sums in the corpus are right', () => {
  const sums = [
    ...documents('en')
      .join(' ')
      .matchAll(/(\d+) (times|plus) (\d+) is (\d+)\./g),
  ];
  expect(sums.length).toBeGreaterThan(50);
  for (const [text, a, sign, b, result] of sums) {
    const value = sign === 'times' ? Number(a) * Number(b) : Number(a) + Number(b);
    expect(value, text).toBe(Number(result));
  }
});

test('the generator writes the committed bytes again', () => {
  expect(regenerate('make_corpus.mjs', 'corpus', ['en.txt', 'zh.txt'])).toEqual([]);
});
