import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LlmkitError, LlmkitErrors } from '../../src/core/errors.ts';
import { openPrepared } from '../../src/data/prepared.ts';
import { openDataset } from '../../src/io/arrow.ts';
import { describeFiles, readManifest } from '../../src/io/manifest.ts';
import { run } from '../../src/commands/prepare.ts';
import { CHATML, Project } from './helpers.ts';

const chatRow = (i: number) => ({
  messages: [
    { role: 'user', content: `question ${i}` },
    { role: 'assistant', content: `answer ${i}` },
  ],
});
const rows = (n: number) => Array.from({ length: n }, (_, i) => chatRow(i));
const hashes = async (dir: string) => (await describeFiles(dir)).map((file) => `${file.path} ${file.sha256}`);

async function failure(promise: Promise<unknown>): Promise<LlmkitError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(LlmkitError);
  return error as LlmkitError;
}

describe('prepare', () => {
  const project = new Project({ template: CHATML });
  const path = project.jsonl('chat.jsonl', [...rows(50), chatRow(3)]);
  const section = { sources: [{ path }], split: { validation: 0.1 }, max_length: 128 };

  it('packs conversations with their loss mask, and reports what happened to every row', async () => {
    const { report, cached } = await project.prepare(section);
    expect(cached).toBe(false);
    expect(report.funnel.map(({ stage, rows, dropped }) => [stage, rows, dropped])).toEqual([
      ['read', 51, 0],
      ['map', 51, 0],
      ['clean', 51, 0],
      ['dedup', 50, 1],
      ['split', 50, 0],
      ['encode', 50, 0],
      ['fit', 50, 0],
      ['pack', expect.any(Number), 0],
    ]);
    expect(report.duplicates).toMatchObject({ exact: 1, near: 0, clusters: { count: 1, largest: 2 } });
    expect(report.duplicates.largest).toEqual([
      { kept: expect.stringMatching(/chat.jsonl:4$/), size: 2, others: [expect.stringMatching(/chat.jsonl:51$/)] },
    ]);
    expect(report.stop_tokens).toEqual([{ id: 2, token: '<|im_end|>', count: 50 }]);
    expect([report.splits['train']!.examples, report.splits['validation']!.examples]).toEqual([45, 5]);
    const documents = [...project.documents('train'), ...project.documents('validation')];
    const expected = rows(50).map((_, i) => ({
      text: `<|im_start|>user\nquestion ${i}<|im_end|>\n<|im_start|>assistant\nanswer ${i}<|im_end|>\n`,
      targets: `answer ${i}<|im_end|>`,
    }));
    const byText = (a: { text: string }, b: { text: string }) => (a.text < b.text ? -1 : 1);
    expect(documents.sort(byText)).toEqual(expected.sort(byText));
  });

  it('writes rows of documents whose positions start again, none longer than max_length', () => {
    const prepared = openPrepared(project.out);
    expect(prepared.splits).toEqual(['train', 'validation']);
    expect([prepared.vocabSize, prepared.stopTokenIds]).toEqual([340, [2]]);
    const train = prepared.split('train');
    expect(train.maxLength).toBe(128);
    for (let i = 0; i < train.numRows; i++) {
      const { inputIds, labels, positionIds, seqLengths } = train.row(i);
      if (i === 0) expect(seqLengths.length).toBeGreaterThan(1);
      expect(inputIds.length).toBeLessThanOrEqual(128);
      expect([...positionIds]).toEqual(
        [...seqLengths].flatMap((n) => Array.from({ length: n }, (_, position) => position)),
      );
      labels.forEach((label, at) => expect([-100, inputIds[at]]).toContain(label));
      positionIds.forEach((position, at) => position === 0 && expect(labels[at]).toBe(-100));
    }
    expect(() => prepared.split('test')).toThrow(/no test split/);
    prepared.close();
  });

  it('leaves a manifest of every file, and nothing else', async () => {
    const manifest = readManifest(project.out);
    expect(manifest.outputs).toEqual(await describeFiles(project.out));
    expect(manifest.inputs.map((file) => file.path.replace(/^.*\//, ''))).toEqual([
      'chat.jsonl',
      'tokenizer.json',
      'tokenizer_config.json',
      'chat_template.jinja',
    ]);
    expect(readdirSync(join(project.dir, 'out'))).toEqual(['prepared']);
    expect(readdirSync(project.out).sort()).toEqual(
      ['dataset_dict.json', 'manifest.json', 'report.html', 'report.json', 'tokenizer', 'train', 'validation'].sort(),
    );
  });

  it('does nothing when nothing has changed, and says so', async () => {
    const before = await hashes(project.out);
    const context = { emit: () => undefined, signal: new AbortController().signal, cwd: project.dir };
    const result = await run({ config: project.config(section) }, context);
    expect(result.data['cached']).toBe(true);
    expect(result.summary).toMatch(/^nothing has changed: /);
    expect(await hashes(project.out)).toEqual(before);
  });

  it('gives the same bytes when made again, from scratch or over a damaged folder', async () => {
    const before = await hashes(project.out);
    rmSync(project.out, { recursive: true });
    expect((await project.prepare(section)).cached).toBe(false);
    expect(await hashes(project.out)).toEqual(before);
    writeFileSync(join(project.out, 'manifest.json'), '{');
    expect((await project.prepare(section)).cached).toBe(false);
    writeFileSync(join(project.out, 'train/state.json'), '');
    expect((await project.prepare(section)).cached).toBe(false);
    expect(await hashes(project.out)).toEqual(before);
  });

  it('works again when the config, the seed or the data change', async () => {
    const train = () =>
      createHash('sha256')
        .update(readFileSync(join(project.out, 'train/data-00000-of-00001.arrow')))
        .digest('hex');
    const first = train();
    expect((await project.prepare(section, { seed: 7 })).cached).toBe(false);
    expect(train()).not.toBe(first);
    expect((await project.prepare({ ...section, packing: 'none' })).report.splits['train']!.rows).toBe(45);
    project.jsonl('chat.jsonl', rows(40));
    expect((await project.prepare(section)).report.funnel[0]!.rows).toBe(40);
  });

  it('keeps the old folder when interrupted', async () => {
    const before = await hashes(project.out);
    project.jsonl('chat.jsonl', rows(20_000));
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 60);
    const error = await failure(project.prepare(section, {}, controller.signal));
    expect(error.kind).toBe('interrupted');
    expect(await hashes(project.out)).toEqual(before);
    expect(readdirSync(join(project.dir, 'out'))).toEqual(['prepared', 'prepared.work']);
  });
});

describe('what prepare reads', () => {
  it('trains a tokenizer on the training rows, and packs text documents that end in EOS', async () => {
    const project = new Project();
    const paragraphs = Array.from(
      { length: 60 },
      (_, i) => `Paragraph ${i} speaks of cats, dogs and numbers like ${i * 7}.`,
    );
    const path = project.file('corpus.txt', paragraphs.join('\n\n'));
    const { report } = await project.prepare(
      { sources: [{ path }], tokenizer: { type: 'bpe', vocab_size: 300 }, max_length: 64, chat_template: CHATML },
      { model: {} },
    );
    expect(report.tokenizer).toEqual({ vocab_size: 300, eos_token_id: 0, chat_template: true });
    expect(report.splits['train']!.examples).toBe(60);
    const [first] = project.documents();
    expect(first!.text.endsWith('<|endoftext|>')).toBe(true);
    expect(first!.text.slice(1).endsWith(first!.targets)).toBe(true);
    expect(existsSync(join(project.out, 'tokenizer/chat_template.jinja'))).toBe(true);
    expect(openDataset(join(project.out, 'train')).features).toHaveProperty('seq_lengths', 'list<int32>');
  });

  it('reads several formats together, and says how it read each', async () => {
    const project = new Project();
    project.file('a.csv', 'question,answer\n"x, y",1\n');
    project.jsonl('b.jsonl', [{ text: 'plain' }]);
    const columns = { prompt: 'question', completion: 'answer' };
    const { report } = await project.prepare({ sources: [{ path: 'data/a.csv', columns }, { path: 'data/*.jsonl' }] });
    expect(report.sources.map(({ format, found }) => [format, found])).toEqual([
      [
        'csv',
        'csv (from .csv), prompt-completion rows { prompt: question, completion: answer }, from the mapped columns',
      ],
      ['jsonl', 'jsonl (from .jsonl), text rows { text }, from its columns'],
    ]);
    expect(report.rendered_by).toEqual({ 'plain prompt and completion': 1, text: 1 });
    expect(
      project
        .documents()
        .map((document) => document.text)
        .sort(),
    ).toEqual(['plain<|endoftext|>', 'x, y1<|endoftext|>']);
  });
});

describe('txt files', () => {
  it('are cut into paragraphs where blank lines part them, else into lines; the config decides otherwise', async () => {
    const project = new Project();
    project.file('a.txt', '\n\none\ntwo\n\nthree\n');
    project.file('b.txt', '\nfour\nfive\n\n');
    const texts = async (more: object) => {
      const { report } = await project.prepare({ sources: [{ path: 'data/*.txt', ...more }] });
      const found = report.sources.map((source) => source.found);
      return {
        found,
        texts: project
          .documents()
          .map(({ text }) => text.replace('<|endoftext|>', ''))
          .sort(),
      };
    };
    const auto = await texts({});
    expect(auto.found[0]).toMatch(/^txt \(from .txt\) by paragraph \(blank lines part them\)/);
    expect(auto.found[1]).toMatch(/^txt \(from .txt\) by line \(there are no blank lines\)/);
    expect(auto.texts).toEqual(['five', 'four', 'one\ntwo', 'three']);
    expect((await texts({ sample_by: 'document' })).texts).toEqual(['four\nfive', 'one\ntwo\n\nthree']);
  });
});

describe('what prepare refuses', () => {
  const project = new Project({ template: CHATML });
  const prepare = (section: object) => project.prepare(section);

  it('malformed rows, all of them with their places; skipping counts them', async () => {
    const bytes = Buffer.concat([
      Buffer.from(`${JSON.stringify(chatRow(1))}\n{"messages": oops}\n{"messages": "x"}\n`),
      Buffer.of(0x22, 0xff, 0x0a),
      Buffer.from(JSON.stringify(chatRow(2))),
    ]);
    const path = project.file('bad.jsonl', bytes);
    const error = (await failure(prepare({ sources: [{ path }] }))) as LlmkitErrors;
    expect(error.errors.map((item) => item.where?.replace(/^.*\//, ''))).toEqual([
      'bad.jsonl:2:14',
      'bad.jsonl:3',
      'bad.jsonl:4',
    ]);
    expect(existsSync(project.out)).toBe(false);
    const { report } = await prepare({ sources: [{ path }], malformed: 'skip' });
    expect(report.malformed).toMatchObject({ count: 3 });
    expect(report.splits['train']!.examples).toBe(2);
    expect(
      project.events.some((event) => event.type === 'warning' && event.message.startsWith('3 rows malformed')),
    ).toBe(true);
  });

  it('a missing column, an empty source, a missing file, an unknown format', async () => {
    const csv = project.file('a.csv', 'question,reply\nq,a\n');
    const columns = { prompt: 'question', completion: 'answer' };
    expect(await failure(prepare({ sources: [{ path: csv, columns }] }))).toMatchObject({
      message: 'there is no column answer',
      got: 'columns question, reply',
    });
    expect((await failure(prepare({ sources: [{ path: project.file('e.jsonl', '') }] }))).message).toMatch(/is empty/);
    expect(await failure(prepare({ sources: [{ path: 'data/nope.jsonl' }] }))).toMatchObject({
      message: expect.stringMatching(/there is no file/),
      where: expect.stringMatching(/config.yaml:1:\d+ prepare.sources/),
    });
    expect((await failure(prepare({ sources: [{ path: project.file('x.bin', 'a') }] }))).message).toMatch(
      /cannot be told/,
    );
    expect((await failure(prepare({ sources: [] }))).message).toMatch(/prepare.sources is missing/);
  });

  it('rows that the chat template refuses, all of them; skipping counts them', async () => {
    const strict = new Project({
      template: `{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}${CHATML}`,
    });
    const system = { messages: [{ role: 'system', content: 's' }, ...chatRow(1).messages] };
    const path = strict.jsonl('a.jsonl', [
      chatRow(1),
      system,
      { messages: [...system.messages, ...chatRow(2).messages] },
    ]);
    const error = (await failure(strict.prepare({ sources: [{ path }] }))) as LlmkitErrors;
    expect(error.errors.map((item) => item.where?.replace(/^.*\//, ''))).toEqual(['a.jsonl:2', 'a.jsonl:3']);
    const { report } = await strict.prepare({ sources: [{ path }], malformed: 'skip' });
    expect(report.refused_by_template).toMatchObject({ count: 2 });
    expect(report.splits['train']!.examples).toBe(1);
  });

  it('conversations without a chat template', async () => {
    const bare = new Project();
    const path = bare.jsonl('a.jsonl', [chatRow(1)]);
    const error = await failure(bare.prepare({ sources: [{ path }], malformed: 'skip' }));
    expect(error).toMatchObject({ kind: 'config', hint: expect.stringContaining('prepare.chat_template') });
  });

  it('rows without an answer, by name; skipping counts them', async () => {
    const path = project.jsonl('mute.jsonl', [chatRow(1), { messages: [{ role: 'user', content: 'a' }] }]);
    const error = await failure(prepare({ sources: [{ path }] }));
    expect(error.message).toBe('1 rows have no answer to train on');
    expect(error.where).toMatch(/mute.jsonl:2$/);
    const { report } = await prepare({ sources: [{ path }], malformed: 'skip' });
    expect(report.without_target).toMatchObject({ count: 1 });
  });

  it('rows over max_length, unless they are to be dropped, cut or split', async () => {
    const long = { messages: [chatRow(1).messages[0], { role: 'assistant', content: 'word '.repeat(60) }] };
    const path = project.jsonl('long.jsonl', [chatRow(1), long]);
    const section = { sources: [{ path }], max_length: 48 };
    const error = await failure(prepare(section));
    expect(error.message).toBe('1 rows are longer than max_length');
    expect(error.where).toMatch(/long.jsonl:2 \(\d+ tokens\)$/);
    expect(error.hint).toMatch(/max_length to \d+/);
    const examples = async (overlength: string) => {
      const { report } = await prepare({ ...section, overlength });
      expect(report.overlength).toMatchObject({ policy: overlength, count: 1 });
      return report.splits['train']!.examples;
    };
    expect(await examples('drop')).toBe(1);
    expect(await examples('truncate')).toBe(2);
    expect(await examples('split')).toBeGreaterThan(3);
  });

  it('splitting a document loses none of its targets', async () => {
    const text = Array.from({ length: 200 }, (_, i) => `w${i}`).join(' ');
    const path = project.jsonl('document.jsonl', [{ text }]);
    const whole = (await prepare({ sources: [{ path }], max_length: 4096 })).report.splits['train']!;
    for (const max_length of [2, 3, 10, whole.tokens - 1]) {
      const { report } = await prepare({ sources: [{ path }], max_length, overlength: 'split', packing: 'none' });
      expect(report.splits['train']!.trainable_tokens).toBe(whole.trainable_tokens);
      expect(report.overlength).toMatchObject({ targets_lost: 0 });
      const targets = project.documents().map((document) => document.targets);
      expect(targets.join('')).toBe(`${text.slice(1)}<|endoftext|>`);
    }
  });

  it('cut-off answers do not slip through', async () => {
    const asked = { messages: [{ role: 'user', content: 'word '.repeat(60) }, chatRow(1).messages[1]] };
    const path = project.jsonl('asked.jsonl', [chatRow(1), asked]);
    const { report } = await prepare({ sources: [{ path }], max_length: 48, overlength: 'truncate' });
    expect(report.target_cut_off).toMatchObject({ count: 1 });
    expect(report.splits['train']!.examples).toBe(1);
  });

  it('warns of special tokens in the text', async () => {
    const path = project.jsonl('special.jsonl', [
      { messages: [{ role: 'user', content: 'a<|im_end|>' }, chatRow(1).messages[1]] },
    ]);
    const { report } = await prepare({ sources: [{ path }] });
    expect(report.special_tokens_in_text).toMatchObject({ count: 1 });
  });
});
