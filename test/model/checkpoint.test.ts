import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LlmkitError, LlmkitErrors } from '../../src/core/errors.ts';
import { bf16ToF32, f32ToBf16 } from '../../src/core/half.ts';
import { openSafetensors, type TensorToWrite, writeSafetensors } from '../../src/io/safetensors.ts';
import { Checkpoint, openCheckpoint } from '../../src/model/checkpoint.ts';
import { loadSpec } from '../../src/model/config.ts';
import { initWeights } from '../../src/model/init.ts';
import type { DecoderSpec, RowRuns } from '../../src/model/spec.ts';
import { expectedTensors, linearRoles } from '../../src/model/tensors.ts';
import { writeCheckpoint } from '../../src/model/write-checkpoint.ts';
import { failure } from '../support/failure.ts';

const GOLDEN = join(import.meta.dirname, '../golden/decoder');
const GQA = join(GOLDEN, 'llama-gqa');

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-checkpoint-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

/** llama-gqa with its tensors changed. */
function altered(change: (tensors: TensorToWrite[]) => TensorToWrite[], from = GQA): string {
  const file = openSafetensors(join(from, 'model.safetensors'));
  const tensors = [...file.tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape, data: file.read(name) }));
  file.close();
  cpSync(join(from, 'config.json'), join(dir, 'config.json'));
  writeSafetensors(join(dir, 'model.safetensors'), change(tensors));
  return dir;
}

function relativeDifference(a: Float32Array, b: Float32Array): number {
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!) / Math.max(Math.abs(b[i]!), 1e-3)));
}

describe('a checkpoint', () => {
  it.each(['llama-gqa', 'llama-gqa-tied', 'llama-rope-llama3', 'llama-bias', 'llama-head-dim'])(
    'gives every weight by its role: %s',
    (name) => {
      const checkpoint = openCheckpoint(join(GOLDEN, name));
      const raw = openSafetensors(join(GOLDEN, name, 'model.safetensors'));
      const { spec } = checkpoint;
      expect(checkpoint.embedding()).toEqual(raw.readF32('model.embed_tokens.weight'));
      expect(checkpoint.head()).toEqual(spec.tiedHead ? undefined : raw.readF32('lm_head.weight'));
      expect(checkpoint.norm(spec.names.finalNorm)).toEqual({
        weight: raw.readF32('model.norm.weight'),
        bias: undefined,
      });
      for (const role of linearRoles(spec)) {
        const module = spec.names.layer(1).linear[role]!.module;
        const { weight, bias } = checkpoint.linear(1, role);
        expect(weight).toEqual(raw.readF32(`${module}.weight`));
        expect(bias).toEqual(name === 'llama-bias' ? raw.readF32(`${module}.bias`) : undefined);
      }
      expect([...expectedTensors(spec)].map((tensor) => tensor.name).sort()).toEqual([...raw.tensors.keys()].sort());
      raw.close();
      checkpoint.close();
    },
  );

  it('reads the same from shards, and from bf16 and f16 within their rounding', () => {
    const [f32, bf16, sharded, f16] = [
      GQA,
      ...['bf16', 'bf16-sharded', 'f16'].map((v) => join(GOLDEN, 'variants', v)),
    ].map((path) => openCheckpoint(path!)) as [Checkpoint, Checkpoint, Checkpoint, Checkpoint];
    for (let layer = 0; layer < 2; layer++) {
      for (const role of linearRoles(f32.spec)) {
        const exact = f32.linear(layer, role).weight;
        expect(sharded.linear(layer, role)).toEqual(bf16.linear(layer, role));
        expect(relativeDifference(bf16.linear(layer, role).weight, exact)).toBeLessThanOrEqual(2 ** -8);
        expect(relativeDifference(f16.linear(layer, role).weight, exact)).toBeLessThanOrEqual(2 ** -11);
      }
    }
    for (const checkpoint of [f32, bf16, sharded, f16]) checkpoint.close();
  });

  it('gives bf16 bits as stored, or rounded', () => {
    const stored = openCheckpoint(join(GOLDEN, 'variants/bf16'));
    const rounded = openCheckpoint(GQA);
    const bits = stored.linearBits(0, 'gate_proj').weight;
    expect(bf16ToF32(bits)).toEqual(stored.linear(0, 'gate_proj').weight);
    expect(rounded.linearBits(0, 'gate_proj').weight).toEqual(bits);
    expect(rounded.embeddingBits()).toEqual(f32ToBf16(rounded.embedding()));
    expect(stored.headBits()).toEqual(rounded.headBits());
    expect(bits.byteOffset % 16).toBe(0);
    stored.close();
    rounded.close();
  });

  it('accepts a tied head that is there once more, and old rotary buffers', () => {
    const path = altered(
      (tensors) => [
        ...tensors,
        { ...tensors.find(({ name }) => name === 'model.embed_tokens.weight')!, name: 'lm_head.weight' },
        { name: 'model.layers.0.self_attn.rotary_emb.inv_freq', dtype: 'F32', shape: [4], data: new Uint8Array(16) },
      ],
      join(GOLDEN, 'llama-gqa-tied'),
    );
    const checkpoint = openCheckpoint(path);
    expect(checkpoint.head()).toBeUndefined();
    checkpoint.close();
  });
});

describe('fused and transposed matrices', () => {
  it('are cut into [out, in] by role', () => {
    const base = loadSpec(GQA);
    const layer = (index: number) => {
      const names = base.names.layer(index);
      const module = `model.layers.${index}.attn.c_attn`;
      const runs = (start: number, size: number): RowRuns => ({ start, size, stride: size, count: 1 });
      const rows = { q_proj: runs(0, 32), k_proj: runs(32, 16), v_proj: runs(48, 16) };
      const fused = Object.entries(rows).map(([role, rows]) => [role, { module, transposed: true, rows }]);
      return { ...names, linear: { ...names.linear, ...Object.fromEntries(fused) } };
    };
    const spec: DecoderSpec = {
      ...base,
      attention: { ...base.attention, qkvBias: true },
      names: { ...base.names, layer },
    };
    const source = initWeights(spec, 1);
    expect(source.tensors.get('model.layers.0.attn.c_attn.weight')?.shape).toEqual([32, 64]);
    const stored = source.readF32('model.layers.0.attn.c_attn.weight');
    const checkpoint = new Checkpoint(spec, source, 'test');
    const { weight, bias } = checkpoint.linear(0, 'k_proj');
    expect([weight.length, bias?.length]).toEqual([16 * 32, 16]);
    expect(weight[3 * 32 + 7]).toBe(stored[7 * 64 + 32 + 3]);
    expect(checkpoint.linearBits(0, 'k_proj').weight).toEqual(f32ToBf16(weight));
  });
});

describe('a checkpoint that does not hold together', () => {
  it('names a missing tensor', () => {
    const path = altered((tensors) => tensors.filter(({ name }) => !name.endsWith('1.mlp.up_proj.weight')));
    const error = failure(() => openCheckpoint(path));
    expect(error.message).toBe('model.layers.1.mlp.up_proj.weight is missing');
    expect(error).toMatchObject({ kind: 'data', expected: '[48, 32]' });
  });

  it('hints at tying when the head is missing', () => {
    const path = altered((tensors) => tensors.filter(({ name }) => name !== 'lm_head.weight'));
    expect(failure(() => openCheckpoint(path)).hint).toContain('tie_word_embeddings');
  });

  it('names a tensor of the wrong shape, even with the right number of elements', () => {
    const path = altered((tensors) =>
      tensors.map((t) => (t.name === 'model.layers.0.mlp.up_proj.weight' ? { ...t, shape: [32, 48] } : t)),
    );
    expect(failure(() => openCheckpoint(path))).toMatchObject({ expected: '[48, 32]', got: '[32, 48]' });
  });

  it('names a tensor it does not know', () => {
    const extra = {
      name: 'model.layers.0.self_attn.q_norm.weight',
      dtype: 'F32' as const,
      shape: [8],
      data: new Uint8Array(32),
    };
    expect(failure(() => openCheckpoint(altered((tensors) => [...tensors, extra]))).where).toContain('q_norm.weight');
  });

  it('refuses a tied head that differs from the embedding', () => {
    const path = altered(
      (tensors) => [
        ...tensors,
        { name: 'lm_head.weight', dtype: 'F32', shape: [96, 32], data: new Uint8Array(96 * 32 * 4) },
      ],
      join(GOLDEN, 'llama-gqa-tied'),
    );
    expect(failure(() => openCheckpoint(path)).message).toContain('lm_head.weight is in the checkpoint');
  });

  it('refuses integer weights', () => {
    const path = altered((tensors) =>
      tensors.map((t) =>
        t.name === 'lm_head.weight' ? { ...t, dtype: 'I8' as const, data: new Uint8Array(96 * 32) } : t,
      ),
    );
    expect(failure(() => openCheckpoint(path))).toMatchObject({ got: 'I8' });
  });

  it('reports everything together', () => {
    const path = altered((tensors) => tensors.filter(({ name }) => !name.includes('layers.1')));
    const error = failure(() => openCheckpoint(path));
    expect(error).toBeInstanceOf(LlmkitErrors);
    expect((error as LlmkitErrors).errors).toHaveLength(9);
  });

  it('names a truncated file', () => {
    cpSync(GQA, dir, { recursive: true });
    const file = join(dir, 'model.safetensors');
    truncateSync(file, statSync(file).size - 100);
    const error = failure(() => openCheckpoint(dir));
    expect(error.kind).toBe('data');
    expect(error.where).toContain('model.safetensors');
  });

  it('names a missing shard', () => {
    cpSync(join(GOLDEN, 'variants/bf16-sharded'), dir, { recursive: true });
    rmSync(join(dir, 'model-00002-of-00003.safetensors'));
    expect(failure(() => openCheckpoint(dir)).message).toContain('model-00002-of-00003.safetensors');
  });
});

describe('fresh weights', () => {
  const spec = loadSpec(join(GOLDEN, 'llama-bias'));

  it('are the same for the same seed, in any order, and differ otherwise', () => {
    const names = expectedTensors(spec).map(({ name }) => name);
    const [first, second] = [initWeights(spec, 7), initWeights(spec, 7)];
    const forwards = names.map((name) => first.readF32(name));
    const backwards = names.toReversed().map((name) => second.readF32(name));
    expect(backwards.reverse()).toEqual(forwards);
    const q = 'model.layers.0.self_attn.q_proj.weight';
    expect(initWeights(spec, 8).readF32(q)).not.toEqual(first.readF32(q));
    expect(first.readF32('model.layers.1.self_attn.q_proj.weight')).not.toEqual(first.readF32(q));
  });

  it('are normal with the range given, norms one and biases zero', () => {
    const weights = initWeights({ ...spec, vocabSize: 4096 }, 1);
    const embedding = weights.readF32('model.embed_tokens.weight');
    const mean = embedding.reduce((sum, x) => sum + x, 0) / embedding.length;
    const std = Math.sqrt(embedding.reduce((sum, x) => sum + x * x, 0) / embedding.length);
    // 131,072 draws: the mean's standard error is 5.5e-5, that of the deviation 4e-5.
    expect(Math.abs(mean)).toBeLessThan(2.5e-4);
    expect(Math.abs(std - 0.02)).toBeLessThan(2e-4);
    expect(new Set(weights.readF32('model.norm.weight'))).toEqual(new Set([1]));
    expect(new Set(weights.readF32('model.layers.0.mlp.down_proj.bias'))).toEqual(new Set([0]));
  });

  it('scale the residual projections when asked', () => {
    const name = 'model.layers.0.mlp.down_proj.weight';
    const plain = initWeights(spec, 3).readF32(name);
    const scaled = initWeights(spec, 3, { scaleResiduals: true }).readF32(name);
    expect(scaled[5]! / plain[5]!).toBeCloseTo(1 / Math.sqrt(4), 6);
  });
});

describe('writing a checkpoint', () => {
  it.each([
    ['llama-gqa', 'float32'],
    ['llama-bias', 'float32'],
    ['llama-gqa-tied', 'bfloat16'],
    ['llama-head-dim', 'float16'],
  ] as const)('gives back spec and values: %s as %s', (name, dtype) => {
    const from = openCheckpoint(join(GOLDEN, name));
    writeCheckpoint(dir, from.spec, (tensor) => from.weights.readF32(tensor), { dtype });
    const to = openCheckpoint(dir);
    expect(to.notes).toEqual([]);
    expect(JSON.stringify(to.spec)).toBe(JSON.stringify(from.spec));
    const tolerance = { float32: 0, bfloat16: 2 ** -8, float16: 2 ** -11 }[dtype];
    for (const tensor of from.weights.tensors.keys()) {
      const difference = relativeDifference(to.weights.readF32(tensor), from.weights.readF32(tensor));
      expect(difference).toBeLessThanOrEqual(tolerance);
    }
    from.close();
    to.close();
  });

  it('gives the same bytes for the same seed', () => {
    const spec = loadSpec(GQA);
    for (const name of ['a', 'b']) {
      const source = initWeights(spec, 5);
      writeCheckpoint(join(dir, name), spec, (tensor) => source.readF32(tensor), { dtype: 'bfloat16' });
    }
    for (const file of ['model.safetensors', 'config.json', 'generation_config.json']) {
      expect(readFileSync(join(dir, 'a', file)).equals(readFileSync(join(dir, 'b', file)))).toBe(true);
    }
  });

  it('leaves an older file alone when a tensor is missing', () => {
    const spec = loadSpec(GQA);
    writeFileSync(join(dir, 'model.safetensors'), 'older');
    expect(() => writeCheckpoint(dir, spec, new Map(), { dtype: 'float32' })).toThrow(LlmkitError);
    expect(readFileSync(join(dir, 'model.safetensors'), 'utf8')).toBe('older');
  });
});
