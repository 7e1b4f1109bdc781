import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../src/commands/merge.ts';
import { loadConfig } from '../../src/config/index.ts';
import { LlmkitError } from '../../src/core/errors.ts';
import type { LlmkitEvent } from '../../src/core/events.ts';
import { mergeAdapter } from '../../src/export/merge.ts';
import { mergeLinear } from '../../src/export/merge-linear.ts';
import { describeFile, readManifest, writeManifest } from '../../src/io/manifest.ts';
import { openWeights } from '../../src/io/safetensors.ts';
import { openCheckpoint } from '../../src/model/checkpoint.ts';

const GOLDEN = join(import.meta.dirname, '../golden/decoder');
const BASE = join(GOLDEN, 'llama-gqa');
const ADAPTER = join(BASE, 'adapter');
const MERGED = join(import.meta.dirname, '../golden/export/merged.safetensors');

let dir: string;
let out: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-merge-'));
  out = join(dir, 'merged');
});
afterEach(() => rmSync(dir, { recursive: true }));

async function failure(work: Promise<unknown>): Promise<LlmkitError> {
  const error = await work.then(
    () => new Error('nothing was thrown'),
    (reason: unknown) => reason,
  );
  if (error instanceof LlmkitError) return error;
  throw error;
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
}

describe('merging', () => {
  it('gives the weights that PEFT gives', async () => {
    const report = await mergeAdapter({ base: BASE, adapter: ADAPTER, out });
    const [ours, theirs] = [openWeights(out), openWeights(MERGED)];
    expect([...ours.tensors.keys()].sort()).toEqual([...theirs.tensors.keys()].sort());
    // Both round a sum of about 1 to f32 (6e-8); PEFT's product is in f32 as well.
    for (const name of ours.tensors.keys()) {
      expect(largestDifference(ours.readF32(name), theirs.readF32(name))).toBeLessThan(5e-7);
    }
    ours.close();
    theirs.close();
    expect(report).toEqual({
      mergedModules: 14,
      replacedTensors: 0,
      tensors: 21,
      scale: 2,
      roundingOverUpdate: 0,
      verification: undefined,
    });
  });

  it.each(['bf16', 'f16', 'bf16-sharded'])(
    'keeps dtype, shards and the bytes of what is not adapted: %s',
    async (variant) => {
      const base = join(GOLDEN, 'variants', variant);
      const report = await mergeAdapter({ base, adapter: ADAPTER, out });
      const [from, to, exact] = [openWeights(base), openWeights(out), openWeights(MERGED)];
      const files = (folder: string) => readdirSync(folder).filter((name) => name.startsWith('model'));
      expect(files(out)).toEqual(files(base));
      for (const [name, { dtype, shape }] of from.tensors) {
        expect(to.tensors.get(name)).toMatchObject({ dtype, shape });
        if (!name.includes('_proj')) expect(to.read(name)).toEqual(from.read(name));
        // Two roundings, of the base and of the sum; no weight here is above 2.
        const step = variant === 'f16' ? 2 ** -10 : 2 ** -7;
        expect(largestDifference(to.readF32(name), exact.readF32(name))).toBeLessThanOrEqual(step);
      }
      expect(report.roundingOverUpdate).toBeGreaterThan(0);
      expect(report.roundingOverUpdate).toBeLessThan(variant === 'f16' ? 0.002 : 0.02);
      for (const weights of [from, to, exact]) weights.close();
      openCheckpoint(out).close();
    },
  );

  it('stores another dtype when asked, and says so in config.json', async () => {
    await mergeAdapter({ base: join(GOLDEN, 'variants/bf16-sharded'), adapter: ADAPTER, out, dtype: 'float32' });
    const merged = openCheckpoint(out);
    expect(new Set([...merged.weights.tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['F32']));
    merged.close();
    const config = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) as Record<string, unknown>;
    expect(config).toMatchObject({ dtype: 'float32', torch_dtype: 'float32' });
  });

  it('brings the tokenizer along, writable though its source is not', async () => {
    const tokenizer = join(dir, 'tokenizer');
    mkdirSync(tokenizer);
    for (const name of ['tokenizer.json', 'chat_template.jinja']) {
      writeFileSync(join(tokenizer, name), name);
      chmodSync(join(tokenizer, name), 0o444);
    }
    await mergeAdapter({ base: BASE, adapter: ADAPTER, out, tokenizer });
    expect(readFileSync(join(out, 'chat_template.jinja'), 'utf8')).toBe('chat_template.jinja');
    expect(statSync(join(out, 'tokenizer.json')).mode & 0o200).toBe(0o200);
    expect(readFileSync(join(out, 'config.json'))).toEqual(readFileSync(join(BASE, 'config.json')));
  });

  it('gives the same bytes again, in place of the older folder', async () => {
    await mergeAdapter({ base: BASE, adapter: ADAPTER, out });
    const first = readFileSync(join(out, 'model.safetensors'));
    writeFileSync(join(out, 'stale'), '');
    await mergeAdapter({ base: BASE, adapter: ADAPTER, out });
    expect(readFileSync(join(out, 'model.safetensors')).equals(first)).toBe(true);
    expect(existsSync(join(out, 'stale'))).toBe(false);
  });

  it('adds to a transposed weight as to a straight one', () => {
    const names = { module: 'm', layer: 0, roles: [], out: 2, in: 3 };
    const factors = { A: Float32Array.of(1, 2, 3), B: Float32Array.of(10, 20) };
    const [straight, transposed] = [new Float32Array(6), new Float32Array(6)];
    const squared = mergeLinear(straight, { ...names, transposed: false }, factors, 0.5);
    mergeLinear(transposed, { ...names, transposed: true }, factors, 0.5);
    expect([...straight]).toEqual([5, 10, 15, 10, 20, 30]);
    expect([...transposed]).toEqual([5, 10, 10, 20, 15, 30]);
    expect(squared).toBe(1750);
  });
});

describe('a merge that fails', () => {
  const leavesNothing = () => expect(readdirSync(dir).filter((name) => name.includes('merged'))).toEqual([]);

  it('leaves nothing when verification throws', async () => {
    const error = await failure(
      mergeAdapter({
        base: BASE,
        adapter: ADAPTER,
        out,
        verify: async ({ merged }) => {
          openCheckpoint(merged).close();
          throw new LlmkitError('gate', 'logits differ');
        },
      }),
    );
    expect(error.message).toBe('logits differ');
    leavesNothing();
  });

  it('leaves nothing when interrupted half way', async () => {
    const stop = new AbortController();
    const onTensor = (done: number) => (done === 5 ? stop.abort() : undefined);
    const error = await failure(mergeAdapter({ base: BASE, adapter: ADAPTER, out, signal: stop.signal, onTensor }));
    expect(error.kind).toBe('interrupted');
    leavesNothing();
  });

  it('names a truncated base', async () => {
    const base = join(dir, 'base');
    cpSync(BASE, base, { recursive: true });
    truncateSync(join(base, 'model.safetensors'), 5000);
    expect((await failure(mergeAdapter({ base, adapter: ADAPTER, out }))).where).toContain('model.safetensors');
    leavesNothing();
  });

  it('refuses an adapter of another model', async () => {
    const error = await failure(mergeAdapter({ base: join(GOLDEN, 'llama-head-dim'), adapter: ADAPTER, out }));
    expect(error).toMatchObject({ kind: 'data', got: expect.stringContaining('[') });
    leavesNothing();
  });

  it('refuses to replace its own input, or a folder of other things', async () => {
    const base = join(dir, 'base');
    cpSync(BASE, base, { recursive: true });
    for (const folder of [base, dir, join(base, 'adapter')]) {
      const error = await failure(mergeAdapter({ base, adapter: join(base, 'adapter'), out: folder }));
      expect(error).toMatchObject({ kind: 'usage', where: folder });
    }
    mkdirSync(out);
    writeFileSync(join(out, 'thesis.tex'), '');
    expect(await failure(mergeAdapter({ base: BASE, adapter: ADAPTER, out }))).toMatchObject({ got: 'thesis.tex' });
    expect(existsSync(join(out, 'thesis.tex'))).toBe(true);
  });
});

describe('llmkit merge', () => {
  const events: LlmkitEvent[] = [];
  const context = {
    emit: (event: LlmkitEvent) => void events.push(event),
    signal: new AbortController().signal,
    cwd: '/',
  };

  function project(): ReturnType<typeof loadConfig> {
    events.length = 0;
    cpSync(ADAPTER, join(dir, 'run/adapter'), { recursive: true });
    const file = join(dir, 'config.yaml');
    writeFileSync(file, `version: 1\noutput_dir: run\nmodel: { name_or_path: ${JSON.stringify(BASE)} }\n`);
    return loadConfig(file);
  }

  it('writes merged/ with a manifest of what went in and came out', async () => {
    const result = await run({ config: project() }, context);
    out = join(dir, 'run/merged');
    expect(result).toMatchObject({ ok: true, data: { out, mergedModules: 14 } });
    const manifest = readManifest(out);
    expect(manifest.inputs.map(({ path }) => path.split('/').at(-1))).toEqual([
      'config.json',
      'model.safetensors',
      'adapter_config.json',
      'adapter_model.safetensors',
    ]);
    expect(manifest.outputs).toContainEqual({
      ...describeFile(join(out, 'model.safetensors')),
      path: 'model.safetensors',
    });
    expect(events.map(({ type }) => type)).toContain('step');
    expect(events.at(-1)).toEqual({ type: 'artifact', kind: 'merged', path: out });
  });

  it('says what to run when there is no adapter', async () => {
    const config = project();
    rmSync(join(dir, 'run/adapter'), { recursive: true });
    expect(await failure(run({ config }, context))).toMatchObject({
      kind: 'io',
      hint: expect.stringContaining('finetune'),
    });
  });

  it('refuses an adapter whose manifest names another base', async () => {
    const config = project();
    const adapter = join(dir, 'run/adapter');
    const manifest = { command: 'finetune', config: {}, outputs: [], seed: 1, versions: {} };
    const weights = describeFile(join(BASE, 'model.safetensors'));
    writeManifest(adapter, { ...manifest, inputs: [{ ...weights, sha256: '0'.repeat(64) }] });
    expect((await failure(run({ config }, context))).message).toBe('the adapter was trained on another base');
    expect(existsSync(join(dir, 'run/merged'))).toBe(false);
    writeManifest(adapter, { ...manifest, inputs: [weights] });
    expect((await run({ config }, context)).ok).toBe(true);
  });
});
