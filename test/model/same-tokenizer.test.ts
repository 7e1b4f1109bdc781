import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { checkSameTokenizer } from '../../src/model/same-tokenizer.ts';
import { failure } from '../support/failure.ts';

let dir: string;
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'llmkit-tokenizers-'))));
afterEach(() => rmSync(dir, { recursive: true }));

const json = {
  model: { vocab: { a: 0, b: 1, ab: 2 }, merges: ['a b'] as unknown[] },
  added_tokens: [{ id: 3, content: '<end>' }],
};

function tokenizer(name: string, change: (copy: typeof json & { normalizer?: unknown }) => void = () => undefined) {
  const copy = structuredClone(json);
  change(copy);
  mkdirSync(join(dir, name));
  writeFileSync(join(dir, name, 'tokenizer.json'), JSON.stringify(copy));
  return join(dir, name);
}

it('takes a tokenizer for the same when its ids mean the same', () => {
  const prepared = tokenizer('prepared');
  const same = [
    tokenizer('equal'),
    tokenizer('newer spelling', (copy) => (copy.model.merges = [['a', 'b']])),
    tokenizer('other order', (copy) => (copy.model.vocab = { ab: 2, b: 1, a: 0 })),
    tokenizer('more added', (copy) => copy.added_tokens.push({ id: 4, content: '<pad>' })),
  ];
  for (const model of same) expect(() => checkSameTokenizer(prepared, model)).not.toThrow();
  expect(() => checkSameTokenizer(prepared, join(dir, 'nowhere'))).not.toThrow();
});

it('names both files and what differs', () => {
  const prepared = tokenizer('prepared');
  const told = (name: string, change: Parameters<typeof tokenizer>[1]) => {
    const model = tokenizer(name, change);
    const error = failure(() => checkSameTokenizer(prepared, model));
    expect(error).toMatchObject({ kind: 'data', where: join(prepared, 'tokenizer.json') });
    expect(error.expected).toContain(join(model, 'tokenizer.json'));
    return error.got;
  };
  expect(told('vocab', (copy) => (copy.model.vocab = { a: 1, b: 0, ab: 2 }))).toBe('another vocabulary');
  expect(told('merges', (copy) => (copy.model.merges = []))).toBe('other merges');
  expect(told('added', (copy) => (copy.added_tokens[0]!.content = '<stop>'))).toBe('token 3 is <end>, not <stop>');
});
