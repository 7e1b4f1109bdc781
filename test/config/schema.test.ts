import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { jsonSchema } from '../../src/config/index.ts';

describe('the JSON Schema', () => {
  it('in configs/schema is the one the code generates (llmkit config schema --out)', () => {
    const file = new URL('../../configs/schema/llmkit.schema.json', import.meta.url);
    expect(readFileSync(file, 'utf8')).toBe(`${JSON.stringify(jsonSchema(), null, 2)}\n`);
  });

  it('describes every section and allows no other key', () => {
    const schema = jsonSchema() as { properties: Record<string, unknown>; additionalProperties: boolean };
    expect(Object.keys(schema.properties)).toEqual([
      'extends',
      'version',
      'output_dir',
      'seed',
      'model',
      'prepare',
      'pretrain',
      'finetune',
      'quantize',
      'eval',
      'generate',
    ]);
    expect(schema.additionalProperties).toBe(false);
  });
});
