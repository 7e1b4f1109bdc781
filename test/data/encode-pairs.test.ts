import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PrepareConfig, prepareSchema } from '../../src/config/schema/prepare.ts';
import { Encoder } from '../../src/data/encode/encoder.ts';
import { featuresOf, kindOf, openSplitWriter, type TypedFile } from '../../src/data/encode/split-writer.ts';
import { openPrepared, openPreparedPairs } from '../../src/data/prepared.ts';
import type { Item, PreferenceExample, PreparedKind } from '../../src/data/types.ts';
import { writeDatasetDict } from '../../src/io/arrow.ts';
import { loadTokenizer, type Tokenizer } from '../../src/tokenizer/index.ts';
import { rejection } from '../support/failure.ts';
import { Project } from './helpers.ts';

const GOLDEN = join(import.meta.dirname, '../golden/data');
const { templates } = JSON.parse(readFileSync(join(GOLDEN, 'chat.json'), 'utf8')) as {
  templates: Record<string, string>;
};

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-pairs-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

function tokenizerWith(template: string | undefined): Tokenizer {
  const folder = mkdtempSync(join(dir, 't-'));
  cpSync(join(GOLDEN, 'tokenizer'), folder, { recursive: true });
  if (template !== undefined) writeFileSync(join(folder, 'chat_template.jinja'), template);
  return loadTokenizer(folder);
}
const config = (more: object = {}): PrepareConfig => prepareSchema.parse({ max_length: 64, ...more });
const texts: PreferenceExample = { type: 'preference', prompt: 'Sky?', chosen: 'Blue.', rejected: 'Green, or so.' };

describe('preference rows', () => {
  const shown = (tokenizer: Tokenizer, example: PreferenceExample, trainOn: PrepareConfig['train_on'] = 'answers') => {
    const pair = new Encoder(tokenizer, trainOn, 't').encodePair({ id: 'p:1', example });
    return [pair.chosen, pair.rejected].map(({ inputIds, isTarget }) => [
      tokenizer.decode(inputIds.filter((_, i) => isTarget[i] === 0)),
      tokenizer.decode(inputIds.filter((_, i) => isTarget[i] === 1)),
    ]);
  };

  it('become two sequences through the chat template', () => {
    const tokenizer = tokenizerWith(templates['llama3']);
    const head = (system: string) =>
      `<s>${system}<|start_header_id|>user<|end_header_id|>\n\nSky?<|eot_id|>` +
      '<|start_header_id|>assistant<|end_header_id|>\n\n';
    const answers = (before: string) => [
      [before, 'Blue.<|eot_id|>'],
      [before, 'Green, or so.<|eot_id|>'],
    ];
    for (const trainOn of ['answers', 'last', 'all'] as const) {
      expect(shown(tokenizer, texts, trainOn)).toEqual(answers(head('')));
    }
    const system = '<|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>';
    expect(shown(tokenizer, { ...texts, system: 'S' })).toEqual(answers(head(system)));
  });

  it('are joined as they stand without a chat template', () => {
    const tokenizer = tokenizerWith(undefined);
    expect(shown(tokenizer, texts, 'all')).toEqual([
      ['Sky?', 'Blue.<|endoftext|>'],
      ['Sky?', 'Green, or so.<|endoftext|>'],
    ]);
    expect(() => shown(tokenizer, { ...texts, system: 'S' })).toThrow(/no place for the system/);
  });

  it('train on the chosen answer alone with preference: chosen', () => {
    const tokenizer = tokenizerWith(templates['chatml']);
    const encoder = new Encoder(tokenizer, 'answers', 't');
    const messages: PreferenceExample = {
      type: 'preference',
      prompt: [{ role: 'user', content: 'Sky?' }],
      chosen: [{ role: 'assistant', content: 'Blue.' }],
      rejected: [{ role: 'assistant', content: 'Green.' }],
      system: 'S',
    };
    for (const example of [{ ...texts, system: 'S' }, messages]) {
      const { inputIds, isTarget } = encoder.encode({ id: 'p', example });
      expect(tokenizer.decode(inputIds)).toBe(
        '<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nSky?<|im_end|>\n<|im_start|>assistant\nBlue.<|im_end|>\n',
      );
      expect(tokenizer.decode(inputIds.filter((_, i) => isTarget[i] === 1))).toBe('Blue.<|im_end|>');
    }
  });

  it('have no target in an empty answer, nor in two that are the same', () => {
    const tokenizer = tokenizerWith(templates['chatml']);
    expect(shown(tokenizer, { ...texts, rejected: ' ' })[1]![1]).toBe('');
    const same = [
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'b' },
    ];
    const answers = shown(tokenizer, { type: 'preference', prompt: [], chosen: same, rejected: [...same] });
    expect(answers.map(([, target]) => target)).toEqual(['', '']);
  });

  it('are told from rows of other types, at the row', () => {
    const encoder = new Encoder(tokenizerWith(undefined), 'answers', 't');
    expect(() => encoder.encodePair({ id: 'x.jsonl:7', example: { type: 'text', text: 'a' } })).toThrow(
      expect.objectContaining({
        kind: 'data',
        where: 'x.jsonl:7',
        message: 'a text row among preference rows',
        hint: expect.stringContaining('prepare.preference: chosen'),
      }),
    );
  });
});

describe('what a prepare makes of its files', () => {
  const file = (type: TypedFile['type'], name = 'f.jsonl'): TypedFile => ({ name, type });

  it('is pairs for preference rows, unless only the chosen answers are wanted', () => {
    expect(kindOf([file('text'), file('messages')], config())).toBe('packed');
    expect(kindOf([file('preference'), file(undefined)], config())).toBe('pairs');
    expect(kindOf([file('preference'), file('text')], config({ preference: 'chosen' }))).toBe('packed');
    expect(Object.keys(featuresOf('pairs'))).toContain('chosen_labels');
    expect(Object.keys(featuresOf('packed'))).toContain('position_ids');
  });

  it('cannot be both, and pairs cannot be split', () => {
    expect(() => kindOf([file('preference', 'p.jsonl'), file('alpaca', 'a.jsonl')], config())).toThrow(
      expect.objectContaining({
        kind: 'config',
        where: 'a.jsonl',
        got: 'alpaca rows',
        hint: expect.stringContaining('prepare.preference: chosen'),
      }),
    );
    expect(() => kindOf([file('preference')], config({ overlength: 'split' }))).toThrow(
      expect.objectContaining({ kind: 'config', where: 'prepare.overlength' }),
    );
    expect(kindOf([file('preference')], config({ overlength: 'split', preference: 'chosen' }))).toBe('packed');
  });
});

describe('a prepared folder', () => {
  function write(kind: PreparedKind, items: Item[], extra: object = { kind }): string {
    const folder = mkdtempSync(join(dir, 'prepared-'));
    mkdirSync(join(folder, 'train'), { recursive: true });
    const writer = openSplitWriter(kind, join(folder, 'train'), 'train', config());
    for (const item of items) writer.add(item);
    writer.finish();
    writeDatasetDict(folder, ['train']);
    const manifest = {
      format: 1,
      llmkit: '0',
      command: 'prepare',
      config: {},
      configHash: '',
      inputs: [],
      outputs: [],
      seed: 0,
      extra: { max_length: 64, vocab_size: 340, stop_token_ids: [2], ...extra },
    };
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
    return folder;
  }
  const encoder = () => new Encoder(tokenizerWith(templates['chatml']), 'answers', 't');

  it('of pairs gives back what was encoded', () => {
    const pairs = ['one', 'two, longer'].map((rejected, i) =>
      encoder().encodePair({ id: `p:${i}`, example: { ...texts, rejected } }),
    );
    const prepared = openPreparedPairs(write('pairs', pairs));
    const train = prepared.split('train');
    expect([train.numPairs, train.maxLength, prepared.stopTokenIds]).toEqual([2, 64, [2]]);
    for (const [i, { chosen, rejected }] of pairs.entries()) {
      const pair = train.pair(i);
      expect(pair.chosenInputIds).toEqual(chosen.inputIds);
      expect(pair.rejectedInputIds).toEqual(rejected.inputIds);
      expect([...pair.chosenLabels]).toEqual(
        [...chosen.inputIds].map((id, t) => (chosen.isTarget[t] === 1 ? id : -100)),
      );
      expect(pair.rejectedLabels.filter((label) => label !== -100).length).toBe(
        rejected.isTarget.reduce((sum, target) => sum + target, 0),
      );
    }
    expect(() => prepared.split('validation')).toThrow(/no validation split/);
    prepared.close();
  });

  it('of pairs is refused where packed rows are read, and the other way round', () => {
    const pair = encoder().encodePair({ id: 'p', example: texts });
    expect(() => openPrepared(write('pairs', [pair]))).toThrow(
      expect.objectContaining({
        kind: 'data',
        message: expect.stringContaining('does not hold packed rows'),
        hint: expect.stringContaining('prepare.preference: chosen'),
      }),
    );
    const packed = write('packed', [encoder().encode({ id: 'p', example: texts })]);
    expect(() => openPreparedPairs(packed)).toThrow(/does not hold preference pairs/);
    expect(openPrepared(packed).split('train').numRows).toBe(1);
  });

  it('without a kind in its manifest holds packed rows', () => {
    const older = write('packed', [encoder().encode({ id: 'p', example: texts })], {});
    expect(openPrepared(older).split('train').row(0).seqLengths.length).toBe(1);
  });

  it('of pairs whose columns are others is refused', () => {
    const packed = write('packed', [encoder().encode({ id: 'p', example: texts })], { kind: 'pairs' });
    expect(() => openPreparedPairs(packed).split('train')).toThrow(
      /column chosen_input_ids is not what prepare writes/,
    );
  });
});

describe('prepare of preference rows', () => {
  const project = new Project({ template: templates['chatml']! });
  const rows = (count: number) =>
    Array.from({ length: count }, (_, i) => ({
      prompt: `question ${i}`,
      chosen: `good ${i}`,
      rejected: `bad ${i}, too`,
    }));
  const path = project.jsonl('pairs.jsonl', rows(20));

  it('writes pairs, in both splits, which only openPreparedPairs opens', async () => {
    const { report } = await project.prepare({ sources: [{ path }], max_length: 64, split: { validation: 4 } });
    expect([report.splits['train']!.rows, report.splits['validation']!.rows]).toEqual([16, 4]);
    expect(() => openPrepared(project.out)).toThrow(/does not hold packed rows/);
    const prepared = openPreparedPairs(project.out);
    const tokenizer = loadTokenizer(prepared.tokenizerDir);
    const found: string[] = [];
    for (const name of prepared.splits) {
      const split = prepared.split(name);
      for (let i = 0; i < split.numPairs; i++) {
        const { chosenInputIds, chosenLabels, rejectedInputIds, rejectedLabels } = split.pair(i);
        const number = /question (\d+)/.exec(tokenizer.decode(chosenInputIds))![1]!;
        const prompt = `<|im_start|>user\nquestion ${number}<|im_end|>\n<|im_start|>assistant\n`;
        expect(tokenizer.decode(chosenInputIds)).toBe(`${prompt}good ${number}<|im_end|>\n`);
        expect(tokenizer.decode(rejectedInputIds)).toBe(`${prompt}bad ${number}, too<|im_end|>\n`);
        expect(tokenizer.decode(chosenLabels.filter((label) => label !== -100))).toBe(`good ${number}<|im_end|>`);
        expect(tokenizer.decode(rejectedLabels.filter((label) => label !== -100))).toBe(`bad ${number}, too<|im_end|>`);
        found.push(number);
      }
    }
    expect(new Set(found).size).toBe(20);
    prepared.close();
  });

  it('trains on the chosen answers with preference: chosen', async () => {
    await project.prepare({ sources: [{ path }], max_length: 64, preference: 'chosen' });
    const targets = project.documents().map((document) => document.targets);
    expect(targets.sort()).toEqual(
      rows(20)
        .map(({ chosen }) => `${chosen}<|im_end|>`)
        .sort(),
    );
  });

  it('refuses other rows beside them, and splitting', async () => {
    const other = project.jsonl('other.jsonl', [{ prompt: 'a', completion: 'b' }]);
    const mixed = rejection(project.prepare({ sources: [{ path }, { path: other }] }));
    expect(await mixed).toMatchObject({ kind: 'config', where: expect.stringContaining('other.jsonl') });
    const split = rejection(project.prepare({ sources: [{ path }], overlength: 'split' }));
    expect(await split).toMatchObject({ kind: 'config', message: 'preference pairs cannot be split' });
  });
});
