import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { LlmkitEvent } from '../../src/core/events.ts';
import { Random } from '../../src/core/random.ts';
import { prepare } from '../../src/data/prepare.ts';
import { runRank } from '../../src/data/stages/rank.ts';
import { describeFiles } from '../../src/io/manifest.ts';
import { runNode } from '../cli/spawn.ts';
import { rejection } from '../support/failure.ts';
import { Project } from './helpers.ts';

/** Rows for several shards, duplicates and near duplicates among them. */
const random = new Random(1);
const words = Array.from(
  { length: 500 },
  (_, i) => `w${i.toString(36).replaceAll(/\d/g, (digit) => 'abcdefghij'[Number(digit)]!)}`,
);
const sentence = () => Array.from({ length: 40 }, () => words[random.int(words.length)]!).join(' ');
const rows = Array.from({ length: 600 }, () => ({ text: sentence() }));
for (let i = 0; i < 300; i += 10) {
  rows.push({ text: rows[i]!.text });
  rows.push({ text: `${rows[i + 1]!.text} again` });
}

const section = (path: string) => ({
  sources: [{ path }],
  dedup: { near: true },
  split: { validation: 0.05 },
  tokenizer: { type: 'bpe', vocab_size: 400 },
  max_length: 256,
  explain: true,
});
const SMALL = { threads: 1, shardBytes: 20_000 };

async function hashes(dir: string): Promise<string[]> {
  return (await describeFiles(dir)).map((file) => `${file.path} ${file.sha256}`);
}

describe('prepare that was stopped', () => {
  it('goes on from the tasks that were done, to the same bytes, wherever it was stopped', async () => {
    const project = new Project();
    const config = project.config(section(project.jsonl('rows.jsonl', rows)));
    const quiet = { emit: () => undefined, signal: new AbortController().signal };
    const { report } = await prepare(config, project.out, quiet, SMALL);
    expect(report.duplicates.exact).toBe(30);
    expect(report.duplicates.near).toBeGreaterThan(20);
    const whole = await hashes(project.out);
    for (const stage of ['read', 'near', 'decide', 'words', 'tokenizer', 'encode', 'write']) {
      rmSync(project.out, { recursive: true });
      const stop = new AbortController();
      const stopping = (event: LlmkitEvent) => {
        if (event.type === 'stage' && event.stage === stage && event.status === 'begin') stop.abort();
      };
      const stopped = prepare(config, project.out, { emit: stopping, signal: stop.signal }, SMALL);
      if (stage === 'write') await stopped;
      else
        expect(await rejection(stopped)).toMatchObject({
          kind: 'interrupted',
          message: expect.stringContaining('run it again'),
        });
      expect(existsSync(project.out)).toBe(stage === 'write');
      const { cached } = await prepare(config, project.out, quiet, SMALL);
      expect(cached).toBe(stage === 'write');
      expect(await hashes(project.out), `stopped in ${stage}`).toEqual(whole);
      expect(existsSync(`${project.out}.work`)).toBe(false);
    }
  });

  it('survives kill -9 at any moment, on several threads', { timeout: 120_000 }, async () => {
    const project = new Project();
    project.config(section(project.jsonl('rows.jsonl', rows)));
    const args = [join(project.dir, 'config.yaml'), project.out];
    const script = 'test/data/fixtures/prepare.mjs';
    const once = await runNode(script, [...args, '1']);
    expect(once.code, once.stderr).toBe(0);
    const whole = await hashes(project.out);
    rmSync(project.out, { recursive: true });
    let kills = 0;
    for (const delayMs of [350, 500, 700, 1000, 1400, Number.POSITIVE_INFINITY]) {
      const ran = await runNode(script, [...args, '2'], (child) => {
        if (Number.isFinite(delayMs)) setTimeout(() => child.kill('SIGKILL'), delayMs);
      });
      if (ran.signal === 'SIGKILL') kills++;
      else expect(ran.code, ran.stderr).toBe(0);
    }
    expect(kills).toBeGreaterThan(1);
    expect(await hashes(project.out)).toEqual(whole);
  });

  it('goes on from what workers of several ranks did in its folder', async () => {
    const project = new Project();
    const config = project.config(section(project.jsonl('rows.jsonl', rows)));
    const quiet = { emit: () => undefined, signal: new AbortController().signal };
    await prepare(config, project.out, quiet, SMALL);
    const whole = await hashes(project.out);
    rmSync(project.out, { recursive: true });
    const stop = new AbortController();
    const begun = (event: LlmkitEvent) => {
      if (event.type === 'stage' && event.stage === 'read' && event.status === 'begin') stop.abort();
    };
    await rejection(prepare(config, project.out, { emit: begun, signal: stop.signal }, SMALL));
    const listener = { progress: () => undefined, stopped: () => false };
    const ran: number[] = [];
    for (const stage of ['read', 'exact', 'near', 'decide'] as const) {
      const ranks = [0, 1, 2].map((rank) => runRank(`${project.out}.work`, stage, rank, 3, listener));
      ran.push((await Promise.all(ranks)).reduce((sum, tasks) => sum + tasks));
    }
    // Shards; one range of hashes; a task a band; one to decide.
    expect(ran).toEqual([expect.any(Number), 1, 14, 1]);
    expect(ran[0]).toBeGreaterThan(4);
    await prepare(config, project.out, quiet, SMALL);
    expect(await hashes(project.out)).toEqual(whole);
    await expect(runRank(`${project.out}.work`, 'read', 3, 3, listener)).rejects.toThrow(/not one of this world/);
  });

  it('starts afresh when the config has changed', async () => {
    const project = new Project();
    const path = project.jsonl('rows.jsonl', rows);
    const stop = new AbortController();
    const emit = (event: LlmkitEvent) => {
      if (event.type === 'stage' && event.stage === 'encode') stop.abort();
    };
    await rejection(prepare(project.config(section(path)), project.out, { emit, signal: stop.signal }, SMALL));
    expect(existsSync(`${project.out}.work/done/read-00000.json`)).toBe(true);
    const { report } = await project.prepare({ ...section(path), dedup: { exact: false } });
    expect(report.duplicates).toMatchObject({ exact: 0, near: 0 });
  });

  it('does not work in a folder that is not its own, or in which another works', async () => {
    const project = new Project();
    const path = project.jsonl('rows.jsonl', rows);
    mkdirSync(`${project.out}.work`, { recursive: true });
    writeFileSync(join(`${project.out}.work`, 'thesis.txt'), 'mine');
    expect(await rejection(project.prepare(section(path)))).toMatchObject({ kind: 'io', got: 'thesis.txt' });
    expect(existsSync(join(`${project.out}.work`, 'thesis.txt'))).toBe(true);
    rmSync(`${project.out}.work`, { recursive: true });
    mkdirSync(`${project.out}.work`);
    writeFileSync(join(`${project.out}.work`, 'lock'), '1');
    expect(await rejection(project.prepare(section(path)))).toMatchObject({
      message: expect.stringContaining('another prepare (process 1)'),
    });
  });
});
