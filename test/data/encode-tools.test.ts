import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Encoder } from '../../src/data/encode/encoder.ts';
import type { PreferenceExample } from '../../src/data/types.ts';
import { type ChatMessage, loadTokenizer, type Tokenizer } from '../../src/tokenizer/index.ts';

const GOLDEN = join(import.meta.dirname, '../golden/data');
interface Case {
  template: string;
  name: string;
  messages: ChatMessage[];
  tools?: unknown[];
  input_ids: number[];
  mask: number[];
}
interface Pair {
  template: string;
  prompt: ChatMessage[];
  chosen: ChatMessage[];
  rejected: ChatMessage[];
  prompt_ids: number[];
  chosen_ids: number[];
  rejected_ids: number[];
}
const golden = JSON.parse(readFileSync(join(GOLDEN, 'tools.json'), 'utf8')) as {
  templates: Record<string, string>;
  cases: Case[];
  pairs: Pair[];
};

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-tools-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

function withTemplate(template: string): Tokenizer {
  const folder = mkdtempSync(join(dir, 't-'));
  cpSync(join(GOLDEN, 'tools-tokenizer'), folder, { recursive: true });
  writeFileSync(join(folder, 'chat_template.jinja'), template);
  return loadTokenizer(folder);
}

function exampleOf({ messages, tools }: Case) {
  return tools === undefined ? { type: 'messages' as const, messages } : { type: 'messages' as const, messages, tools };
}

describe.each(Object.entries(golden.templates))('with a template like that of %s', (name, template) => {
  const cases = golden.cases.filter((item) => item.template === name);

  it('conversations have the tokens and the assistant mask of transformers, tool calls trained and results not', () => {
    const tokenizer = withTemplate(template);
    const encoder = new Encoder(tokenizer, 'answers', 't');
    expect(cases.filter(({ tools }) => tools !== undefined).length).toBeGreaterThan(name === 'gemma' ? -1 : 3);
    // Three times: what is learned of a shape on the way gives the same.
    for (const item of [...cases, ...cases, ...cases]) {
      const { inputIds, isTarget } = encoder.encode({ id: item.name, example: exampleOf(item) });
      expect(tokenizer.decode(inputIds), item.name).toBe(tokenizer.decode(item.input_ids));
      expect([...inputIds], item.name).toEqual(item.input_ids);
      expect([...isTarget], item.name).toEqual(item.mask);
    }
  });

  it('train_on: last keeps the last run of the mask, all takes everything but the first token', () => {
    const tokenizer = withTemplate(template);
    const last = new Encoder(tokenizer, 'last', 't');
    const all = new Encoder(tokenizer, 'all', 't');
    for (const item of [...cases, ...cases]) {
      const row = { id: item.name, example: exampleOf(item) };
      const end = item.mask.lastIndexOf(1) + 1;
      const start = item.mask.lastIndexOf(0, end - 1) + 1;
      expect([...last.encode(row).isTarget], item.name).toEqual(item.mask.map((_, i) => Number(i >= start && i < end)));
      const { inputIds, isTarget } = all.encode(row);
      expect([...inputIds], item.name).toEqual(item.input_ids);
      expect([...isTarget], item.name).toEqual(item.mask.map((_, i) => Number(i > 0)));
    }
  });

  it('preference pairs are prompt and answer, the prompt masked in both', () => {
    const encoder = new Encoder(withTemplate(template), 'all', 't');
    const { prompt, chosen, rejected, ...expected } = golden.pairs.find((pair) => pair.template === name)!;
    const apart: PreferenceExample = { type: 'preference', prompt, chosen, rejected };
    // Whole conversations, as some data sets have them: what both begin with is the prompt.
    const whole: PreferenceExample = {
      type: 'preference',
      prompt: [],
      chosen: [...prompt, ...chosen],
      rejected: [...prompt, ...rejected],
    };
    for (const example of [apart, whole]) {
      const pair = encoder.encodePair({ id: 'p', example });
      expect([...pair.chosen.inputIds]).toEqual(expected.chosen_ids);
      expect([...pair.rejected.inputIds]).toEqual(expected.rejected_ids);
      for (const answer of [pair.chosen, pair.rejected]) {
        const start = answer.isTarget.indexOf(1);
        expect([...answer.inputIds.subarray(0, start)]).toEqual(expected.prompt_ids);
        expect(answer.isTarget.lastIndexOf(1)).toBeGreaterThan(start);
      }
    }
  });
});
