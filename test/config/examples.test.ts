import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../../src/config/index.ts';

const folder = fileURLToPath(new URL('../../configs/', import.meta.url));
const files = readdirSync(folder).filter((file) => file.endsWith('.yaml'));

describe('the configs in configs/', () => {
  it.each(files)('%s is valid and needs no alias', (file) => {
    const loaded = loadConfig(`${folder}${file}`, { env: {} });
    expect(loaded.notes).toEqual([]);
  });

  it.each(files)('%s is headed by the command that runs it', (file) => {
    const [, command] = readFileSync(`${folder}${file}`, 'utf8').split('\n');
    expect(command).toMatch(new RegExp(`^# llmkit \\w+ .*-c configs/${file}`));
  });
});
