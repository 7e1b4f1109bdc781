import { existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { prepare } from '../../src/data/prepare.ts';
import { rejection } from '../support/failure.ts';
import { Project } from './helpers.ts';

const random = new Random(3);
const letters = 'abcdefghijklmnopqrstuvwxyz';
const word = () => Array.from({ length: 3 + random.int(6) }, () => letters[random.int(26)]!).join('');
const vocabulary = Array.from({ length: 400 }, word);
const sentence = (words = 40) => Array.from({ length: words }, () => vocabulary[random.int(400)]!).join(' ');
const texts = Array.from({ length: 60 }, () => sentence());
const TEXT = { tokenizer: { from: 'model' }, max_length: 512 } as const;

describe('duplicates', () => {
  it('are kept once across sources, or once in each', async () => {
    const project = new Project();
    const sources = [
      {
        path: project.jsonl(
          'a.jsonl',
          [...texts, texts[0]!].map((text) => ({ text })),
        ),
      },
      {
        path: project.jsonl(
          'b.jsonl',
          [...texts.slice(0, 10), sentence()].map((text) => ({ text })),
        ),
      },
    ];
    const all = await project.prepare({ ...TEXT, sources });
    expect(all.report.duplicates).toMatchObject({ exact: 11, clusters: { count: 10, largest: 3 } });
    const within = await project.prepare({ ...TEXT, sources, dedup: { scope: 'source' } });
    expect(within.report.duplicates).toMatchObject({ exact: 1, clusters: { count: 1, largest: 2 } });
  });

  it('are told whatever their white space, and stay when dedup is off', async () => {
    const project = new Project();
    const rows = [{ text: texts[0]! }, { text: `  ${texts[0]!.replaceAll(' ', '\n')}` }];
    const sources = [{ path: project.jsonl('a.jsonl', rows) }];
    expect((await project.prepare({ ...TEXT, sources })).report.duplicates.exact).toBe(1);
    const off = await project.prepare({ ...TEXT, sources, dedup: { exact: false } });
    expect(off.report.splits['train']!.examples).toBe(2);
  });

  it('nearly equal: of a cluster the first stays, or the longest; every row dropped is explained', async () => {
    const project = new Project();
    const long = sentence(200);
    const rows = [
      { text: `${long} tail` },
      ...texts.map((text) => ({ text })),
      { text: `${long} another longer tail` },
    ];
    const sources = [{ path: project.jsonl('a.jsonl', rows) }];
    const section = { ...TEXT, sources, max_length: 2048, explain: true };
    const kept = (name: string) => project.documents('train').some(({ text }) => text.includes(name));
    const first = await project.prepare({ ...section, dedup: { near: true } });
    expect(first.report.duplicates).toMatchObject({ exact: 0, near: 1 });
    expect([kept(`${long} tail`), kept('another longer tail')]).toEqual([true, false]);
    const explained = readFileSync(join(project.out, 'explain/encode-00000.jsonl'), 'utf8');
    expect(JSON.parse(explained)).toEqual({
      row: expect.stringMatching(/a\.jsonl:62$/),
      stage: 'dedup',
      rule: 'dedup.near',
      value: expect.stringMatching(/^same as .*a\.jsonl:1$/),
      limit: '',
      text: `${long} another longer tail`,
    });
    await project.prepare({ ...section, dedup: { near: { threshold: 0.8 }, keep: 'best' } });
    expect([kept(`${long} tail`), kept('another longer tail')]).toEqual([false, true]);
  });
});

describe('weights of sources', () => {
  it('repeat training rows, or leave some out by the seed, and never touch validation rows', async () => {
    const project = new Project();
    const rows = (from: number) => texts.slice(from, from + 30).map((text) => ({ text }));
    const [a, b] = [project.jsonl('a.jsonl', rows(0)), project.jsonl('b.jsonl', rows(30))];
    const section = { ...TEXT, split: { validation: 6 } };
    const plain = await project.prepare({ ...section, sources: [{ path: a }, { path: b }] });
    const validation = project.documents('validation').map(({ text }) => text);
    expect(plain.report.splits['train']!.examples).toBe(54);
    const weighted = await project.prepare({
      ...section,
      sources: [
        { path: a, weight: 2 },
        { path: b, weight: 0.5 },
      ],
    });
    expect(project.documents('validation').map(({ text }) => text)).toEqual(validation);
    const documents = project.documents('train').map(({ text }) => text);
    const count = (from: number) =>
      texts.slice(from, from + 30).flatMap((text) => documents.filter((d) => d.includes(text)));
    const held = (from: number) =>
      texts.slice(from, from + 30).filter((text) => validation.some((d) => d.includes(text)));
    expect(count(0)).toHaveLength(2 * (30 - held(0).length));
    const { repeated, left_out } = weighted.report.weights;
    expect(repeated).toBe(30 - held(0).length);
    expect(count(30)).toHaveLength(30 - held(30).length - left_out);
    expect(left_out).toBeGreaterThan(5);
    expect(left_out).toBeLessThan(25);
  });
});

describe('rules on rows', () => {
  it('drop, redact, flag and count, stage by stage, with examples and explanations', async () => {
    const project = new Project();
    const rules = project.file(
      'rules.yaml',
      'rules:\n  - { name: rude, words: [blockhead], severity: drop }\n  - { name: brand, words: [acme], severity: flag }\n',
    );
    const answers = project.jsonl('test.jsonl', [{ question: 'What?', answer: `${texts[9]!} indeed` }]);
    const rows = [
      { text: `${texts[0]!} you blockhead` },
      { text: `${texts[1]!} acme` },
      { text: `${texts[2]!} write to ann@example.com` },
      { text: `before ${texts[9]!} indeed` },
      { text: 'too short' },
      ...texts.slice(10, 40).map((text) => ({ text })),
    ];
    const { report } = await project.prepare({
      ...TEXT,
      sources: [{ path: project.jsonl('rows.jsonl', rows) }],
      keywords: [rules],
      pii: true,
      filters: { gopher_quality: { min_doc_words: 20, min_stop_words: 0 } },
      decontaminate: { against: [answers] },
      explain: true,
    });
    expect(report.funnel.map(({ stage, dropped }) => [stage, dropped]).slice(0, 8)).toEqual([
      ['read', 0],
      ['map', 0],
      ['clean', 0],
      ['keywords', 1],
      ['filters', 1],
      ['decontaminate', 1],
      ['pii', 0],
      ['dedup', 0],
    ]);
    const rules_ = Object.keys(report.dropped_by_rule);
    expect(rules_).toHaveLength(3);
    expect(rules_).toEqual(
      expect.arrayContaining([
        'decontaminate',
        'filters.gopher_quality.min_doc_words',
        expect.stringContaining('rude'),
      ]),
    );
    const [example] = report.dropped_by_rule['filters.gopher_quality.min_doc_words']!.examples;
    expect(example).toMatchObject({
      row: expect.stringMatching(/rows\.jsonl:5$/),
      value: 2,
      limit: 20,
      text: 'too short',
    });
    expect(Object.values(report.flags)[0]).toMatchObject({ count: 1, rows: [expect.stringMatching(/rows\.jsonl:2$/)] });
    expect(JSON.stringify(report.changes)).toContain('email');
    expect(project.documents('train').some(({ text }) => text.includes('[EMAIL]'))).toBe(true);
    const explained = readdirSync(join(project.out, 'explain')).flatMap((name) =>
      readFileSync(join(project.out, 'explain', name), 'utf8')
        .trim()
        .split('\n'),
    );
    expect(explained.filter((line) => line !== '')).toHaveLength(3);
    const html = readFileSync(join(project.out, 'report.html'), 'utf8');
    for (const text of ['too short', 'min_doc_words', '<svg']) expect(html).toContain(text);
    expect(html).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org)/);
  });
});

describe('a disk that fills', () => {
  it.each([
    ['read', 'parts/00000-00000.rows'],
    ['encode', 'encoded/00000.validation'],
  ])('while %s writes is an error that says so; what was prepared before stays', async (stage, file) => {
    const project = new Project();
    const path = project.jsonl(
      'a.jsonl',
      texts.map((text) => ({ text })),
    );
    await project.prepare({ ...TEXT, sources: [{ path }] });
    const before = readFileSync(join(project.out, 'manifest.json'));
    const config = project.config({ ...TEXT, sources: [{ path }], split: { validation: 5 } });
    const emit = (event: { type: string; stage?: string; status?: string }) => {
      if (event.type !== 'stage' || event.stage !== stage || event.status !== 'begin') return;
      symlinkSync('/dev/full', `${project.out}.work/${file}`);
    };
    const run = prepare(config, project.out, { emit, signal: new AbortController().signal });
    expect(await rejection(run)).toMatchObject({ kind: 'io', message: expect.stringContaining('no space left') });
    expect(readFileSync(join(project.out, 'manifest.json'))).toEqual(before);
    expect(existsSync(`${project.out}.work/done`)).toBe(true);
  });
});
