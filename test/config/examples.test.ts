import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../../src/config/index.ts';

const folder = fileURLToPath(new URL('../../configs/', import.meta.url));
const files = readdirSync(folder).filter((file) => file.endsWith('.yaml'));

const CHOICES = ['acc', 'acc_norm', 'acc_bytes'];
const METRICS = { perplexity: ['perplexity'], multiple_choice: CHOICES, intents: CHOICES };

describe('the configs in configs/', () => {
  it.each(files)('%s is valid and needs no alias', (file) => {
    const loaded = loadConfig(`${folder}${file}`, { env: {} });
    expect(loaded.notes).toEqual([]);
  });

  it.each(files)('%s is headed by the command that runs it', (file) => {
    const [, command] = readFileSync(`${folder}${file}`, 'utf8').split('\n');
    expect(command).toMatch(new RegExp(`^# llmkit \\w+ .*-c configs/${file}`));
  });

  it.each(files)('%s has gates on what its tasks measure', (file) => {
    const { gates, tasks } = loadConfig(`${folder}${file}`, { env: {} }).config.eval;
    const known = tasks.flatMap(({ name, type }) => {
      const task = name ?? type;
      return [task, ...METRICS[type].flatMap((metric) => [metric, `${task}.${metric}`])];
    });
    expect(Object.keys(gates).filter((gate) => !known.includes(gate))).toEqual([]);
  });

  it.each(files)('%s takes its baseline before it compares with it', (file) => {
    const { baseline } = loadConfig(`${folder}${file}`, { env: {} }).config.eval;
    const commands = readFileSync(`${folder}${file}`, 'utf8').match(/(?<=^#.*)llmkit eval [^&\n]*/gm) ?? [];
    if (baseline !== undefined) expect(commands[0]).toContain('--update-baseline');
  });
});
