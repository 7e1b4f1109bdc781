import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generate } from '../../src/infer/generate.ts';
import { type OpenedModel, openModel } from '../../src/infer/load.ts';
import { scoreTokens } from '../../src/infer/score.ts';
import { loadTokenizer } from '../../src/tokenizer/index.ts';

const golden = fileURLToPath(new URL('../golden/infer/base-16m.json', import.meta.url));
const expected = JSON.parse(readFileSync(golden, 'utf8')) as {
  text: string;
  tokens: number;
  sumLogProb: number;
  greedyMatches: number;
  prompt: string;
  continuation: string;
};
const shared = process.env['LLMKIT_SHARED'] ?? fileURLToPath(new URL('../../../shared', import.meta.url));
const folder = join(shared, 'models', 'base-16m');
const absent = !existsSync(join(folder, 'model.safetensors'));
if (absent) console.warn('skipped: the shared model base-16m is not here (set LLMKIT_SHARED)');

describe.skipIf(absent)('a trained model of 16 million parameters', () => {
  let cacheDir: string;
  let model: OpenedModel;
  beforeAll(async () => {
    cacheDir = mkdtempSync(join(tmpdir(), 'llmkit-base-'));
    model = await openModel(folder, { cacheDir, threads: 1 });
  });
  afterAll(() => {
    model?.dispose();
    rmSync(cacheDir, { recursive: true, force: true });
  });

  it('finds a text as likely as transformers does, to 1e-5 nats a token', async () => {
    const ids = loadTokenizer(folder).encode(expected.text, { addSpecialTokens: false });
    const score = await scoreTokens(model.session, ids, 1);
    expect([score.tokens, score.greedyMatches]).toEqual([expected.tokens, expected.greedyMatches]);
    expect(Math.abs(score.sumLogProb - expected.sumLogProb) / score.tokens).toBeLessThan(1e-5);
  });

  it('continues a prompt with the same words', async () => {
    const options = { maxNewTokens: 40, temperature: 0, eosTokenIds: model.eosTokenIds };
    const { text } = await generate(model.session, loadTokenizer(folder), expected.prompt, options);
    expect(text).toBe(expected.continuation);
  });
});
