import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mergeAdapter } from '../../src/export/merge.ts';
import { type JsonObject, readJsonObject } from '../../src/io/json-file.ts';
import { openSafetensors, openWeights, type TensorToWrite, writeSafetensors } from '../../src/io/safetensors.ts';
import { readAdapter, writeAdapter } from '../../src/model/adapter.ts';
import { openCheckpoint } from '../../src/model/checkpoint.ts';
import { loadSpec, parseModelConfig, specToConfig } from '../../src/model/config.ts';
import { inverseFrequencies } from '../../src/model/rope.ts';
import type { LinearRole } from '../../src/model/spec.ts';
import { expectedTensors, linearModules } from '../../src/model/tensors.ts';
import { writeCheckpoint } from '../../src/model/write-checkpoint.ts';
import { failure } from '../support/failure.ts';
import { OTHER_FAMILIES } from '../support/families.ts';

const GOLDEN = join(import.meta.dirname, '../golden/decoder');

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'llmkit-families-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

interface Parsed {
  [key: string]: unknown;
  inverse_frequencies?: number[];
}
const published = JSON.parse(readFileSync(join(GOLDEN, 'family-configs.json'), 'utf8')) as {
  cases: { name: string; config: JsonObject; parsed: Parsed }[];
};

describe('the config.json of a published checkpoint', () => {
  it.each(published.cases)('is read as transformers reads it: $name', ({ config, parsed }) => {
    const { spec } = parseModelConfig(config, 'config.json');
    expect(spec).toMatchObject({
      vocabSize: parsed['vocab_size'],
      hiddenSize: parsed['hidden_size'],
      numLayers: parsed['num_hidden_layers'],
      maxPositions: parsed['max_position_embeddings'],
      norm: { eps: parsed['eps'] },
      mlp: { intermediateSize: parsed['intermediate_size'] },
      tiedHead: parsed['tie_word_embeddings'],
      bosTokenId: parsed['bos_token_id'],
      eosTokenIds: [parsed['eos_token_id']].flat(),
      parallelResidual: parsed['use_parallel_residual'] ?? false,
      attention: {
        heads: parsed['num_attention_heads'],
        kvHeads: parsed['num_key_value_heads'] ?? parsed['num_attention_heads'],
        headDim: parsed['head_dim'] ?? Number(parsed['hidden_size']) / Number(parsed['num_attention_heads']),
        qkvBias: parsed['attention_bias'] ?? ['qwen2', 'gpt2'].includes(spec.modelType),
        outBias: parsed['attention_bias'] ?? spec.modelType === 'gpt2',
      },
    });
    const frequencies = spec.position.kind === 'rotary' ? [...inverseFrequencies(spec.position)] : undefined;
    expect(frequencies?.length).toBe(parsed.inverse_frequencies?.length);
    for (const [i, expected] of (parsed.inverse_frequencies ?? []).entries()) {
      expect(Math.abs(frequencies![i]! / expected - 1)).toBeLessThan(2e-7);
    }
    const again = parseModelConfig(specToConfig(spec, { dtype: 'float32' }) as JsonObject, 'config.json');
    expect(JSON.stringify(again.spec)).toBe(JSON.stringify(spec));
    expect(again.notes).toEqual([]);
  });
});

const changed = (name: string, changes: JsonObject): JsonObject => ({
  ...readJsonObject(join(GOLDEN, name, 'config.json')),
  ...changes,
});

describe('a config that would be computed wrongly', () => {
  const rope = { rope_type: 'default', rope_theta: 100 };
  it.each<[string, string, JsonObject, string]>([
    [
      'a window in Qwen2',
      'qwen2',
      { use_sliding_window: true, max_window_layers: 1, sliding_window: 8 },
      'use_sliding_window',
    ],
    [
      'a window in Qwen3',
      'qwen3',
      { use_sliding_window: true, max_window_layers: 0, sliding_window: 63 },
      'use_sliding_window',
    ],
    ['layers that slide', 'qwen2', { layer_types: ['full_attention', 'sliding_attention'] }, 'layer_types'],
    ['YaRN in Qwen2', 'qwen2', { rope_parameters: { rope_type: 'yarn', factor: 4 } }, 'rope_parameters.rope_type'],
    ['dynamic scaling', 'qwen3', { rope_parameters: { rope_type: 'dynamic', factor: 2 } }, 'rope_parameters.rope_type'],
    ['an activation', 'gpt-neox', { hidden_act: 'relu' }, 'hidden_act'],
    [
      'an odd part of the head',
      'gpt-neox',
      { rope_parameters: { ...rope, partial_rotary_factor: 0.2 } },
      'rope_parameters',
    ],
    [
      'more than the head',
      'gpt-neox',
      { rope_parameters: { ...rope, partial_rotary_factor: 1.5 } },
      'rope_parameters.partial_rotary_factor',
    ],
    ['two parts', 'gpt-neox', { rotary_pct: 1 }, 'rotary_pct'],
    ['two thetas', 'gpt-neox', { rotary_emb_base: 1e4 }, 'rotary_emb_base'],
    ['experts', 'qwen2', { num_experts: 8 }, 'num_experts'],
    ['scores scaled by layer', 'gpt2', { scale_attn_by_inverse_layer_idx: true }, 'scale_attn_by_inverse_layer_idx'],
    ['an encoder', 'gpt2', { add_cross_attention: true }, 'add_cross_attention'],
    ['heads that do not divide', 'gpt2', { n_head: 5 }, 'n_head'],
    ['an activation', 'gpt2', { activation_function: 'tanh' }, 'activation_function'],
    [
      'scores scaled by layer',
      'llama-gqa',
      { scale_attn_by_inverse_layer_idx: true },
      'scale_attn_by_inverse_layer_idx',
    ],
  ])('is refused by the name of the field: %s (%s)', (_, name, changes, field) => {
    const error = failure(() => parseModelConfig(changed(name, changes), 'config.json'));
    expect(error).toMatchObject({ kind: 'data', where: `config.json: ${field}` });
  });

  it('but a window that nothing outgrows, or that no layer has, is none', () => {
    for (const changes of [
      { use_sliding_window: true, sliding_window: 64 },
      { use_sliding_window: true, sliding_window: 8, max_window_layers: 2 },
      { use_sliding_window: false, sliding_window: 8 },
    ]) {
      expect(() => parseModelConfig(changed('qwen2', changes), 'config.json')).not.toThrow();
    }
  });

  it('notes dropouts that are not applied', () => {
    const { notes } = parseModelConfig(
      changed('gpt2', { resid_pdrop: 0.2, attn_pdrop: 0, embd_pdrop: 0 }),
      'config.json',
    );
    expect(notes).toEqual(['resid_pdrop 0.2 is not applied in training']);
  });
});

describe.each(OTHER_FAMILIES)('%s', (name) => {
  const folder = join(GOLDEN, name);

  it('reads the tensors that transformers wrote, and writes the same', () => {
    const checkpoint = openCheckpoint(folder);
    const { spec, weights } = checkpoint;
    expect(
      expectedTensors(spec)
        .map((tensor) => tensor.name)
        .sort(),
    ).toEqual([...weights.tensors.keys()].sort());
    writeCheckpoint(dir, spec, (tensor) => weights.readF32(tensor), { dtype: 'float32' });
    const written = openCheckpoint(dir);
    expect(JSON.stringify(written.spec)).toBe(JSON.stringify(spec));
    for (const tensor of weights.tensors.keys())
      expect(written.weights.readF32(tensor)).toEqual(weights.readF32(tensor));
    written.close();
    checkpoint.close();
  });

  it("reads PEFT's adapter and writes the same bytes", () => {
    const spec = loadSpec(folder);
    const adapter = readAdapter(join(folder, 'adapter'), spec);
    writeAdapter(dir, { spec, ...adapter, baseModel: name });
    const [ours, theirs] = [dir, join(folder, 'adapter')];
    const file = 'adapter_model.safetensors';
    expect(readFileSync(join(ours, file)).equals(readFileSync(join(theirs, file)))).toBe(true);
    const [made, given] = [ours, theirs].map((path) => readJsonObject(join(path, 'adapter_config.json')));
    for (const field of ['fan_in_fan_out', 'r', 'lora_alpha', 'peft_type', 'bias'])
      expect(made![field]).toEqual(given![field]);
    expect(
      linearModules(spec)
        .map(({ module }) => module)
        .sort(),
    ).toEqual(given!['target_modules']);
  });
});

it('an adapter with the head of GPT-NeoX names it as PEFT does, and is read by either name', () => {
  const spec = loadSpec(join(GOLDEN, 'gpt-neox'));
  const { lora, factors } = readAdapter(join(GOLDEN, 'gpt-neox/adapter'), spec);
  const weights = new Map([['embed_out.weight', new Float32Array(96 * 32).fill(0.5)]]);
  for (const name of ['embed_out', 'lm_head']) {
    writeAdapter(dir, { spec, lora: { ...lora, modulesToSave: [name] }, factors, weights, baseModel: 'base' });
    expect(readJsonObject(join(dir, 'adapter_config.json'))['modules_to_save']).toEqual(['lm_head']);
    const file = openSafetensors(join(dir, 'adapter_model.safetensors'));
    expect([...file.tensors.keys()].filter((key) => !key.includes('lora_'))).toEqual([
      'base_model.model.lm_head.weight',
    ]);
    file.close();
    expect(readAdapter(dir, spec).weights).toEqual(weights);
  }
});

describe('fused and transposed matrices', () => {
  const roles: LinearRole[] = ['q_proj', 'k_proj', 'v_proj'];

  it('of GPT-NeoX hold q, k and v of one head after another', () => {
    const checkpoint = openCheckpoint(join(GOLDEN, 'gpt-neox'));
    const stored = checkpoint.weights.readF32('gpt_neox.layers.1.attention.query_key_value.weight');
    const bias = checkpoint.weights.readF32('gpt_neox.layers.1.attention.query_key_value.bias');
    roles.forEach((role, part) => {
      const linear = checkpoint.linear(1, role);
      const bits = checkpoint.linearBits(1, role).weight;
      for (let row = 0; row < 32; row++) {
        // Two heads of 16: [2, 3, 16, 32].
        const from = Math.floor(row / 16) * 48 + part * 16 + (row % 16);
        expect(linear.weight.subarray(row * 32, row * 32 + 32)).toEqual(stored.subarray(from * 32, from * 32 + 32));
        expect(linear.bias![row]).toBe(bias[from]);
      }
      expect(bits).toHaveLength(32 * 32);
    });
    expect(checkpoint.module(1, 'k_proj').weight).toEqual(stored);
    checkpoint.close();
  });

  it('of GPT-2 are stored [in, out], q, k and v side by side', () => {
    const checkpoint = openCheckpoint(join(GOLDEN, 'gpt2'));
    const stored = checkpoint.weights.readF32('transformer.h.0.attn.c_attn.weight');
    const whole = checkpoint.module(0, 'q_proj').weight;
    roles.forEach((role, part) => {
      const { weight } = checkpoint.linear(0, role);
      expect(weight).toEqual(whole.subarray(part * 32 * 32, (part + 1) * 32 * 32));
      expect(weight[5 * 32 + 7]).toBe(stored[7 * 96 + part * 32 + 5]);
    });
    checkpoint.close();
  });
});

describe('a GPT-2 without its head, as it was first published', () => {
  /** Names without `transformer.`, with the causal masks that were saved then. */
  function bare(): string {
    const from = join(dir, 'bare');
    cpSync(join(GOLDEN, 'gpt2'), from, { recursive: true });
    const file = openSafetensors(join(GOLDEN, 'gpt2/model.safetensors'));
    const tensors: TensorToWrite[] = [...file.tensors].map(([tensor, { dtype, shape }]) => ({
      name: tensor.replace('transformer.', ''),
      dtype,
      shape: [...shape],
      data: file.read(tensor),
    }));
    file.close();
    tensors.push({ name: 'h.0.attn.bias', dtype: 'U8', shape: [1, 1, 2, 2], data: Uint8Array.of(1, 0, 1, 1) });
    writeSafetensors(join(from, 'model.safetensors'), tensors);
    return from;
  }

  it('is read by the names of the whole model', () => {
    const [whole, without] = [openCheckpoint(join(GOLDEN, 'gpt2')), openCheckpoint(bare())];
    expect(without.embedding()).toEqual(whole.embedding());
    expect(without.linear(1, 'v_proj')).toEqual(whole.linear(1, 'v_proj'));
    expect(without.positionEmbedding()).toEqual(whole.positionEmbedding());
    for (const checkpoint of [whole, without]) checkpoint.close();
  });

  it('is merged by its own names, masks kept as they are', async () => {
    const out = join(dir, 'merged');
    await mergeAdapter({ base: bare(), adapter: join(GOLDEN, 'gpt2/adapter'), out, dtype: 'bfloat16' });
    const weights = openWeights(out);
    expect(weights.tensors.get('h.0.attn.bias')!.dtype).toBe('U8');
    expect(weights.tensors.get('wte.weight')!.dtype).toBe('BF16');
    const [merged, base] = [openCheckpoint(out), openCheckpoint(join(GOLDEN, 'gpt2'))];
    const changes = merged.module(0, 'q_proj').weight.map((x, i) => x - base.module(0, 'q_proj').weight[i]!);
    expect(Math.max(...changes)).toBeGreaterThan(0.1);
    for (const opened of [weights, merged, base]) opened.close();
  });
});
